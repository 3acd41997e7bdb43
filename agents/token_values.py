"""Numbers of a slice's target tokens that are computed once and kept: what a frozen network says of them.

Shape letters: B batch, T target length, L target tokens in all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.policy.teacher_forcing import padded
from buffers import Slice, TokenBatch


class TokenValues:
    """A number for each target token of a slice's storage, float32, kept by the batch's rows.

    What a network that does not train says of a trajectory is computed once, of equal trajectories together, and read
    in later epochs and Improve steps.

    Args:
        data: Any slice of the storage.
    """

    def __init__(self, data: Slice) -> None:
        self.data = data
        self._offsets = np.concatenate([np.zeros(1, dtype=np.int64), data.storage_target_lengths.cumsum()])
        self._values = np.full(self._offsets[-1], np.nan, dtype=np.float32)
        self._owner = np.arange(len(self._offsets) - 1)  # row to the row that holds its values

    @classmethod
    def for_slice(cls, data: Slice, kept: TokenValues | None) -> TokenValues:
        """What was kept of the slice's storage before, or nothing yet; equal trajectories hold theirs together."""
        values = kept if kept is not None and kept.data.shares_storage(data) else cls(data)
        values.share(data)
        return values

    def share(self, data: Slice) -> None:
        """Let equal trajectories of a slice of the storage hold their values together."""
        self._owner[data.rows] = data.firsts()

    def of(self, batch: TokenBatch, compute: Callable[[TokenBatch], Tensor]) -> Tensor:
        """Values of a batch, float32 [B,T], 0 at padding; what is not kept yet is computed, of equal rows once."""
        device = batch.target.device
        owners, first = np.unique(self._owner[batch.row.cpu().numpy()], return_index=True)
        unknown = np.sort(first[np.isnan(self._values[self._offsets[owners]])])
        if len(unknown):
            part = batch.rows(torch.from_numpy(unknown).to(device))
            self._values[self._places(part)] = compute(part)[part.target_mask].cpu().numpy()
        return padded(torch.from_numpy(self._values[self._places(batch)]).to(device), batch.target_mask)

    def _places(self, batch: TokenBatch) -> NDArray[np.int64]:
        """Of the batch's target tokens, row after row; int64 [L]."""
        mask = batch.target_mask.cpu().numpy()
        starts = self._offsets[self._owner[batch.row.cpu().numpy()]]
        places: NDArray[np.int64] = (starts[:, None] + np.arange(mask.shape[1]))[mask]
        return places
