"""Padding: rows of token ids as one tensor.

Shape letters: B batch, T the longest row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of token ids as int64 [B,T], and bool [B,T], true at their tokens."""
    lengths = torch.tensor([len(row) for row in rows])
    width = int(lengths.max())
    padded = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows])
    return padded.to(device), (torch.arange(width) < lengths[:, None]).to(device)
