"""One number a trajectory: what filters and reports need of a buffer, without its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from buffers.storage.trajectories import Trajectories

Column = Literal["source_index", "source_length", "target_length", "reward", "terminated", "is_reference"]


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

    @cached_property
    def temperature(self) -> NDArray[np.float32]:
        """float32 [N], that the behaviour policy was sampled at; NaN where nobody recorded it."""
        known = [np.nan if part.temperature is None else part.temperature for part in self.parts]
        return np.repeat(np.array(known, dtype=np.float32), np.diff(self.starts))

    @cached_property
    def grow_step(self) -> NDArray[np.int64]:
        """int64 [N], that it is of; -1 where nobody recorded it."""
        known = [-1 if part.grow_step is None else part.grow_step for part in self.parts]
        return np.repeat(np.array(known, dtype=np.int64), np.diff(self.starts))

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
