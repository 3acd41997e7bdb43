"""Flat arrays with offsets: their dtypes, their lengths, and how to pick rows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Layout = Mapping[str, tuple[np.dtype[Any], str]]
"""Field name to dtype and length, e.g. ``{"offsets": (int64, "N+1")}``; every field has one axis."""


class ArrayLike(Protocol):
    """What a layout check looks at; a numpy array and an HDF5 dataset both have it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""


def check_layout(owner: str, arrays: Mapping[str, ArrayLike], layout: Layout) -> dict[str, int]:
    """Sizes of the axes (``{"N": 3, "L": 7, ...}``) of arrays that follow ``layout``.

    Raises:
        TypeError: If a field has another dtype.
        ValueError: If a field is not one-dimensional, or two fields disagree on an axis.
    """
    sizes: dict[str, int] = {}
    for name, (dtype, axis) in layout.items():
        array = arrays[name]
        actual = getattr(array, "dtype", type(array).__name__)
        if actual != dtype:
            raise TypeError(f"{owner}.{name} is {actual}; give a numpy array of {dtype}")
        letter, extra = axis.removesuffix("+1"), int(axis.endswith("+1"))
        if len(array.shape) != 1:
            raise ValueError(f"{owner}.{name} has shape {tuple(array.shape)}; give one axis of length {axis}")
        size = array.shape[0] - extra
        if size < 0 or sizes.setdefault(letter, size) != size:
            expected = f"{sizes[letter] + extra} as in the fields before it" if letter in sizes else "at least 1"
            raise ValueError(f"{owner}.{name} has {array.shape[0]} entries; its length {axis} must be {expected}")
    return sizes


def check_offsets(name: str, offsets: NDArray[np.int64], total: int) -> None:
    """Refuse offsets that do not rise from 0 to ``total`` with at least one token a row.

    Raises:
        ValueError: Naming the first bad entry.
    """
    if offsets[0] != 0 or offsets[-1] != total:
        raise ValueError(f"{name} runs from {offsets[0]} to {offsets[-1]}; it must run from 0 to the {total} tokens")
    short = np.flatnonzero(np.diff(offsets) < 1)
    if short.size:
        i = int(short[0])
        raise ValueError(
            f"{name} goes from {offsets[i]} to {offsets[i + 1]} at row {i}; every row needs a token, if only </s>"
        )


def gather(offsets: NDArray[np.int64], index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the tokens of chosen ragged rows lie.

    Args:
        offsets: [N+1] of the flat array.
        index: [n] rows, in any order, repeats allowed.

    Returns:
        Positions in the flat array, row after row, and the chosen rows' own offsets [n+1].
    """
    # Each flat position counts up by one within a row and jumps at its start: what to add to 0, 1, 2, ... is one number
    # per row, repeated; a loop over rows would cost a Python call per trajectory.
    starts = offsets[index]
    chosen = np.zeros(len(index) + 1, dtype=np.int64)
    np.cumsum(offsets[index + 1] - starts, out=chosen[1:])
    shift = np.repeat(starts - chosen[:-1], np.diff(chosen))
    return np.arange(chosen[-1], dtype=np.int64) + shift, chosen


def show(record: Any) -> str:
    """A dataclass of arrays in one line, shapes and dtypes instead of values."""
    shown = []
    for field in fields(record):
        value = getattr(record, field.name)
        array = (
            f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else f"{type(value).__name__}[{len(value)}]"
        )
        shown.append(f"{field.name}={array}")
    return f"{type(record).__name__}({', '.join(shown)})"
