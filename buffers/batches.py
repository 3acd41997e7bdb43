"""Padded batches to a token budget: similar lengths together, in shuffled order, each trajectory once.

Shape letters: B batch, S source length, T target length, N trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from buffers.storage.layout import gather, show
from buffers.storage.trajectories import Trajectories

# Long enough that a batch sees nearly one length, short enough that epochs mix differently.
BATCHES_PER_WINDOW = 64


@dataclass(frozen=True, eq=False, repr=False)
class TokenBatch:
    """Trajectories padded with the tokenizer's ``pad_id``; masks are true at valid tokens.

    Attributes:
        source: int64 [B,S], end-of-sequence included.
        source_mask: bool [B,S].
        target: int64 [B,T], no start token, end-of-sequence included where terminated.
        target_mask: bool [B,T].
        log_prob: float32 [B,T], log-probability under the behaviour policy; 0 at padding, NaN where unscored.
        temperature: float32 [B], of the sampling that ``log_prob`` is of; NaN where nobody recorded it.
        reward: float32 [B], NaN where unscored.
        terminated: bool [B].
        is_reference: bool [B].
        row: int64 [B], which of the slice's storage it is; views of one slice agree on it.
        group: int64 [B], rising, the same for rows that stay together, see :meth:`Slice.groups`; else each its own.

    Raises:
        ValueError: If shapes disagree.
    """

    source: Tensor
    source_mask: Tensor
    target: Tensor
    target_mask: Tensor
    log_prob: Tensor
    temperature: Tensor
    reward: Tensor
    terminated: Tensor
    is_reference: Tensor
    row: Tensor
    group: Tensor

    def __post_init__(self) -> None:
        batch, target = self.source.shape[:1], self.target.shape
        shapes = {
            "source": (*batch, *self.source.shape[1:2]),
            "source_mask": self.source.shape,
            "target": (*batch, *target[1:2]),
            "target_mask": target,
            "log_prob": target,
            "temperature": batch,
            "reward": batch,
            "terminated": batch,
            "is_reference": batch,
            "row": batch,
            "group": batch,
        }
        for name, shape in shapes.items():
            actual = tuple(getattr(self, name).shape)
            if actual != tuple(shape):
                raise ValueError(f"TokenBatch.{name} has shape {actual}; it must have {tuple(shape)} to fit the others")

    @property
    def num_target_tokens(self) -> int:
        """Valid target tokens, padding left out."""
        return int(self.target_mask.sum())

    @property
    def group_size(self) -> int:
        """Rows of each group, which are as many in all groups of a batch; 1 where nothing was grouped."""
        return max(1, len(self) // max(1, len(set(self.group.tolist()))))

    def share(self, rank: int, ranks: int) -> TokenBatch:
        """Groups of the batch strided by rank, as wide as the whole: what one of several processes trains on."""
        number = torch.arange(len(self), device=self.group.device) // self.group_size
        return self.rows(torch.nonzero(number % ranks == rank)[:, 0])

    def rows(self, index: Tensor) -> TokenBatch:
        """Some rows of the batch, int64 [b], as wide as the whole."""
        return TokenBatch(**{name: tensor[index] for name, tensor in vars(self).items()})

    def to(self, device: str | torch.device) -> TokenBatch:
        """The same batch on a device."""
        return TokenBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def pin_memory(self) -> TokenBatch:
        """The same batch in page-locked memory, from which a GPU is fed faster; ``DataLoader`` calls it."""
        return TokenBatch(**{name: tensor.pin_memory() for name, tensor in vars(self).items()})

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return show(self)


class Batches(IterableDataset[TokenBatch]):
    """One epoch of batches, the same each time it is gone through; also a data set for PyTorch's ``DataLoader``.

    ``DataLoader(slice.batches(4096, seed=0), batch_size=None, num_workers=4)`` gives the very same batches in the same
    order, prepared ahead in other processes. Each of these reads the shards for itself and pads its share of the
    batches.

    Args:
        make: Given a worker's number and the number of workers, its share: batches strided by that number.
    """

    def __init__(self, make: Callable[[int, int], Iterator[TokenBatch]]) -> None:
        self._make = make

    def checked(self, check: Callable[[TokenBatch], None]) -> Batches:
        """The same batches, each given to ``check``, which may raise, before it is handed out."""
        return Batches(partial(self._checked, check))

    def changed(self, change: Callable[[TokenBatch], TokenBatch]) -> Batches:
        """What ``change``, a pure function, makes of each batch."""
        return Batches(partial(self._changed, change))

    def _changed(self, change: Callable[[TokenBatch], TokenBatch], worker: int, workers: int) -> Iterator[TokenBatch]:
        return map(change, self._make(worker, workers))

    def _checked(self, check: Callable[[TokenBatch], None], worker: int, workers: int) -> Iterator[TokenBatch]:
        for batch in self._make(worker, workers):
            check(batch)
            yield batch

    def __iter__(self) -> Iterator[TokenBatch]:
        info = get_worker_info()
        return self._make(0, 1) if info is None else self._make(info.id, info.num_workers)


def plan_batches(
    source_length: NDArray[np.int64],
    target_length: NDArray[np.int64],
    tokens_per_batch: int,
    rng: np.random.Generator | None,
) -> list[NDArray[np.int64]]:
    """Rows of each batch of one epoch, each row in exactly one batch.

    A batch holds at most ``tokens_per_batch`` padded tokens on its wider side, ``B * max(S, T)``; a single trajectory
    beyond the budget is a batch of its own.

    Args:
        source_length: int64 [N], tokens.
        target_length: int64 [N], tokens.
        tokens_per_batch: Budget, padding counted.
        rng: Shuffles rows and batches, with similar lengths together; None keeps the order of the rows.

    Returns:
        int64 [B] rows of each batch.
    """
    width = np.maximum(source_length, target_length)
    if len(width) == 0:
        return []
    if rng is None:
        return _cut(np.arange(len(width), dtype=np.int64), width, tokens_per_batch)
    order = rng.permutation(len(width)).astype(np.int64)
    window = max(1, int(BATCHES_PER_WINDOW * tokens_per_batch / width.mean()))
    source, target = source_length[order], target_length[order]
    # Sources run up and down in turn, so that a batch over two target lengths does not span all source lengths.
    snake = np.where(target % 2 == 0, source, -source)
    order = order[np.lexsort((snake, target, np.arange(len(order)) // window))]
    batches = _cut(order, width, tokens_per_batch)
    return [batches[i] for i in rng.permutation(len(batches))]


def _cut(order: NDArray[np.int64], width: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    batches, start = [], 0
    while start < len(order):
        # No batch reaches further than its first row's width allows, and its padded size grows with each row: so the
        # last row that fits is found by one search, not by a loop over rows.
        reach = order[start : start + max(1, budget // int(width[order[start]]))]
        padded = np.maximum.accumulate(width[reach]) * np.arange(1, len(reach) + 1)
        size = max(1, int(np.searchsorted(padded, budget, side="right")))
        batches.append(reach[:size])
        start += size
    return batches


def collate(
    trajectories: Trajectories,
    rows: NDArray[np.int64],
    pad_id: int,
    storage_rows: NDArray[np.int64],
    temperature: NDArray[np.float32],
    group_size: int = 1,
) -> TokenBatch:
    """The batch of some rows.

    Args:
        trajectories: Where the rows lie.
        rows: int64 [B].
        pad_id: The tokenizer's padding token.
        storage_rows: int64 [N], what the batch calls them.
        temperature: float32 [N], of the sampling; NaN where unknown.
        group_size: Consecutive rows that stay together.
    """
    targets, offsets = gather(trajectories.offsets, rows)
    sources, source_offsets = gather(trajectories.source_offsets, trajectories.source_positions[rows])
    target_mask, source_mask = _mask(offsets), _mask(source_offsets)
    return TokenBatch(
        source=_pad(trajectories.source_tokens[sources].astype(np.int64), source_mask, pad_id),
        source_mask=torch.from_numpy(source_mask),
        target=_pad(trajectories.tokens[targets].astype(np.int64), target_mask, pad_id),
        target_mask=torch.from_numpy(target_mask),
        log_prob=_pad(trajectories.log_prob[targets], target_mask, 0),
        temperature=torch.from_numpy(temperature[rows]),
        reward=torch.from_numpy(trajectories.reward[rows]),
        terminated=torch.from_numpy(trajectories.terminated[rows]),
        is_reference=torch.from_numpy(trajectories.is_reference[rows]),
        row=torch.from_numpy(storage_rows[rows]),
        group=torch.arange(len(rows)) // group_size,
    )


def _mask(offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    lengths = np.diff(offsets)
    mask: NDArray[np.bool_] = np.arange(lengths.max()) < lengths[:, None]
    return mask


def _pad(values: NDArray[np.int64] | NDArray[np.float32], mask: NDArray[np.bool_], fill: int) -> Tensor:
    padded = np.full(mask.shape, fill, dtype=values.dtype)
    padded[mask] = values
    return torch.from_numpy(padded)
