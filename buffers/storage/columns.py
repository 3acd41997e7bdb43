"""One number a trajectory: what filters and reports need of a buffer, without its tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from buffers.storage.trajectories import Trajectories

Column = Literal["source_index", "source_length", "target_length", "reward", "terminated", "is_reference"]


Choose = Callable[[NDArray[np.int64], NDArray[np.float32]], NDArray[np.bool_]]
"""Mask [N] of trajectories from their ``source_index``, int64 [N], and reward, float32 [N]."""

CACHED_ROWS = 1 << 26
"""Rows up to which columns are held whole, half a gigabyte each at most; of more, parts are read when asked for."""


class Part(Protocol):
    """Storage of some trajectories: a shard on disk, or trajectories in memory."""

    @property
    def temperature(self) -> float | None:
        """That the behaviour policy was sampled at, above 0; None where nobody recorded it."""

    @property
    def grow_step(self) -> int | None:
        """That it is of, at least 0; None where nobody recorded it."""

    @property
    def num_trajectories(self) -> int:
        """N."""

    @property
    def num_tokens(self) -> int:
        """Target tokens."""

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N]."""

    def read(self) -> Trajectories:
        """All of them, validated."""


class Columns:
    """The columns of all parts, end to end, each read when it is first asked for.

    Up to ``CACHED_ROWS`` rows a column is then kept; of more, :meth:`at` and :meth:`kept` read part by part.

    Args:
        parts: At least one.

    Attributes:
        parts: Where the trajectories lie.
        starts: int64 [parts + 1], first row of each part, and N.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *(part.num_trajectories for part in parts)], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def source_index(self) -> NDArray[np.int64]:
        """int64 [N], row of the source."""
        return self._joined("source_index")

    @cached_property
    def source_length(self) -> NDArray[np.int64]:
        """int64 [N], tokens."""
        return self._joined("source_length")

    @cached_property
    def target_length(self) -> NDArray[np.int64]:
        """int64 [N], tokens."""
        return self._joined("target_length")

    @cached_property
    def reward(self) -> NDArray[np.float32]:
        """float32 [N], NaN where nobody scored."""
        return self._joined("reward")

    @cached_property
    def terminated(self) -> NDArray[np.bool_]:
        """Bool [N], False where the length limit cut the target."""
        return self._joined("terminated")

    @cached_property
    def is_reference(self) -> NDArray[np.bool_]:
        """Bool [N], True for the original pairs."""
        return self._joined("is_reference")

    def temperature(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [n], that the behaviour policy was sampled at; NaN where nobody recorded it.

        Args:
            rows: int64 [n].
        """
        known = [np.nan if part.temperature is None else part.temperature for part in self.parts]
        return np.array(known, dtype=np.float32)[self._part_of(rows)]

    def grow_step(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 [n], that each is of; -1 where nobody recorded it.

        Args:
            rows: int64 [n].
        """
        known = [-1 if part.grow_step is None else part.grow_step for part in self.parts]
        return np.array(known, dtype=np.int64)[self._part_of(rows)]

    def at(self, name: Column, rows: NDArray[np.int64]) -> NDArray[Any]:
        """A column at some rows, [n].

        Args:
            name: Of the column.
            rows: int64 [n], rising.
        """
        if not self.is_large:
            column: NDArray[Any] = getattr(self, name)
            return column[rows]
        bounds = np.searchsorted(rows, self.starts)
        pieces = [
            self.parts[part].column(name)[rows[bounds[part] : bounds[part + 1]] - self.starts[part]]
            for part in np.flatnonzero(np.diff(bounds))
        ]
        return np.concatenate(pieces or [self.parts[0].column(name)[:0]])

    def kept(self, choose: Choose, *, by_source: bool) -> NDArray[np.int64]:
        """Rows that are chosen, int64 [n], one part at a time.

        Args:
            choose: Mask of a part's trajectories from their ``source_index``, int64 [N], and reward, float32 [N].
            by_source: Whether it looks at the first, which is else empty.
        """
        pieces, nothing = [np.empty(0, dtype=np.int64)], np.empty(0, dtype=np.int64)
        for part, start in zip(self.parts, self.starts, strict=False):
            source_index = part.column("source_index") if by_source else nothing
            pieces.append(start + np.flatnonzero(choose(source_index, part.column("reward"))))
        return np.concatenate(pieces)

    @property
    def is_large(self) -> bool:
        """Whether there are too many rows to hold a column whole."""
        return len(self) > CACHED_ROWS

    @property
    def is_one_step(self) -> bool:
        """Whether all parts are of one Grow step, so that a source's trajectories lie in one part."""
        return len({part.grow_step for part in self.parts}) == 1

    def _part_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.starts, rows, side="right") - 1

    @cached_property
    def candidate(self) -> NDArray[np.int64]:
        """int64 [N], number of a sample among those of its source in its Grow step, from 0; -1 of a reference.

        All that a source has in a Grow step is in one part.
        """
        part = np.repeat(np.arange(len(self.parts)), np.diff(self.starts))
        samples = np.flatnonzero(~self.is_reference)
        order = samples[np.lexsort((samples, self.source_index[samples], part[samples]))]
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = (np.diff(self.source_index[order]) != 0) | (np.diff(part[order]) != 0)
        place = np.arange(len(order))
        numbers = np.full(len(self), -1, dtype=np.int64)
        numbers[order] = place - np.maximum.accumulate(np.where(first, place, 0))
        return numbers

    def _joined(self, name: Column) -> NDArray[Any]:
        return np.concatenate([part.column(name) for part in self.parts])


class InMemory:
    """Trajectories that need no reading.

    Args:
        trajectories: All of them.
        temperature: That they were sampled at; None: nobody recorded it.
    """

    def __init__(self, trajectories: Trajectories, temperature: float | None = None) -> None:
        self._trajectories, self._temperature = trajectories, temperature

    @property
    def temperature(self) -> float | None:
        """Above 0."""
        return self._temperature

    @property
    def grow_step(self) -> None:
        """Trajectories in memory record none."""

    @property
    def num_trajectories(self) -> int:
        """N."""
        return len(self._trajectories)

    @property
    def num_tokens(self) -> int:
        """Target tokens."""
        return len(self._trajectories.tokens)

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N]."""
        return column_of({key: getattr(self._trajectories, key) for key in NEEDED[name]}, name)

    def read(self) -> Trajectories:
        """The trajectories."""
        return self._trajectories


NEEDED: dict[Column, tuple[str, ...]] = {
    "source_index": ("source_index",),
    "source_length": ("source_index", "source_rows", "source_offsets"),
    "target_length": ("offsets",),
    "reward": ("reward",),
    "terminated": ("terminated",),
    "is_reference": ("is_reference",),
}
"""Arrays of the layout that a column is made of."""


def column_of(arrays: dict[str, NDArray[Any]], name: Column) -> NDArray[Any]:
    """A column from the arrays that it needs."""
    if name == "source_length":
        position = np.searchsorted(arrays["source_rows"], arrays["source_index"])
        return np.diff(arrays["source_offsets"])[position]
    if name == "target_length":
        return np.diff(arrays["offsets"])
    return arrays[name]
