"""Turns: which trajectories of a slice are held in memory together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from buffers.storage.columns import Columns

# Target tokens held in memory at once, 64 MiB with their log-probabilities. More are read in turns, which are smaller,
# so that the first batch is there soon.
POOL_TOKENS = 1 << 23
TURN_TOKENS = 1 << 21


def turns(columns: Columns, index: NDArray[np.int64], rng: np.random.Generator | None) -> Iterator[NDArray[np.int64]]:
    """Rows to hold together; parts that need turns take them in shuffled order.

    Args:
        columns: The storage.
        index: int64 [n], the chosen rows, rising.
        rng: Shuffles the parts; None keeps their order.
    """
    if not len(index):
        return
    parts, starts = columns.parts, columns.starts
    bounds = np.searchsorted(index, starts)
    shares = np.diff(bounds) / np.maximum(1, np.diff(starts))
    tokens = shares * [part.num_tokens for part in parts]
    # A slice that fits is one turn, so that all of it mixes; else parts are dealt out whole, as each has to be read
    # and inflated whole.
    if tokens.sum() <= POOL_TOKENS:
        yield index
        return
    order = np.arange(len(parts)) if rng is None else rng.permutation(len(parts))
    turn = np.cumsum(tokens[order]) // TURN_TOKENS  # rising
    for chosen in np.split(order, np.flatnonzero(np.diff(turn)) + 1):
        rows = np.concatenate([index[bounds[part] : bounds[part + 1]] for part in np.sort(chosen)])
        if len(rows):
            yield rows
