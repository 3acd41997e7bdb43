"""Hashes of sources and targets, by which equal trajectories are told."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from buffers.storage.trajectories import Trajectories


def target_hashes(trajectories: Trajectories) -> NDArray[np.uint64]:
    """uint64 [N], equal where source row and target tokens are equal."""
    starts = trajectories.offsets[:-1]
    place = np.arange(len(trajectories.tokens)) - np.repeat(starts, np.diff(trajectories.offsets))
    token = _mix((trajectories.tokens.astype(np.uint64) << np.uint64(32)) | place.astype(np.uint64))
    return _mix(np.add.reduceat(token, starts) + _mix(trajectories.source_index.astype(np.uint64)))


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014), a bijection that scatters nearby integers."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
