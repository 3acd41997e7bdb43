"""Equality of what environments return."""

from __future__ import annotations

from typing import Any

import numpy as np


def same(ours: Any, theirs: Any) -> bool:
    """Equal in everything, dtypes included; Gymnasium's own comparison does not look into arrays of objects."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, np.ndarray) and theirs.dtype == object:
        return ours.shape == theirs.shape and all(map(same, ours.tolist(), theirs.tolist()))
    if isinstance(theirs, np.ndarray):
        return ours.dtype == theirs.dtype and ours.shape == theirs.shape and np.array_equal(ours, theirs)
    return type(ours) is type(theirs) and ours == theirs
