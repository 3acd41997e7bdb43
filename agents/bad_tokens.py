"""The token from which a target goes wrong, as a value network sees it.

Shape letters: B batch, T target length, N trajectories.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.returns import td_errors
from agents.value import ValueNetwork
from buffers import Slice

SHARE = 0.5
"""Of the largest fall of the value, that the first bad token's is at least."""

TOKENS_PER_BATCH = 8_192


def first_bad_token(error: Tensor, mask: Tensor) -> Tensor:
    """Place of the first token with which the value falls by at least :data:`SHARE` of its largest fall.

    The largest fall alone may come after an earlier mistake; half of it is what noise in the values seldom makes. Where
    the value never falls it is the token with which it rises least.

    Args:
        error: float32 [B,T], ``r_t + V(s_{t+1}) - V(s_t)``.
        mask: bool [B,T], true at target tokens, which come first in every row.

    Returns:
        int64 [B].
    """
    least = error.masked_fill(~mask, torch.inf).amin(1, keepdim=True)
    bar = torch.where(least < 0, SHARE * least, least)
    return ((error <= bar) & mask).int().argmax(1)


def first_bad_tokens(value: ValueNetwork, data: Slice) -> NDArray[np.int64]:
    """The place of each trajectory's first bad token, int64 [N], in the order of the slice.

    Args:
        value: Of the policy that wrote them.
        data: Scored.
    """
    device = next(value.parameters()).device
    places = np.zeros(len(data), dtype=np.int64)
    with torch.inference_mode():
        for each in data.batches(TOKENS_PER_BATCH, seed=0):
            batch = each.to(device)
            errors = td_errors(value(batch), batch.reward, batch.target_mask)
            rows = np.searchsorted(data.rows, each.row.numpy())
            places[rows] = first_bad_token(errors, batch.target_mask).cpu().numpy()
    return places
