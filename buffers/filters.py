"""What an Improve step trains on: filters F(x, y) of a Grow step's trajectories, and rising schedules of them.

All comparisons are strict, as in the paper's ``F = 1 if R(x, y) > tau`` (section 3). The filters that look at each
source on its own (appendix A.7, and the best few) take every trajectory of the source, samples and reference alike, as
its candidates; with percentile and interpolation a source whose candidates all have one reward therefore keeps nothing,
and :class:`buffers.Coverage` counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from buffers.storage.trajectories import check_rewards
from seq2seq_env.suggestions import check_name


class Filter(Protocol):
    """Chooses trajectories by their rewards.

    Attributes:
        by_source: Whether it looks at each source on its own; one that does not is spared reading the sources.
    """

    by_source: ClassVar[bool]

    @property
    def value(self) -> float:
        """What a schedule raises from one Improve step to the next."""

    def __call__(self, source_index: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mask [N], true for the trajectories to keep.

        Args:
            source_index: int64 [N]; empty for a filter that is not ``by_source``.
            reward: float32 [N] in [0, 1].

        Raises:
            ValueError: If a reward is not in [0, 1].
        """


@dataclass(frozen=True)
class Threshold:
    """Keeps ``R > tau`` (section 3), whatever the source.

    The comparison is made in float32, the dtype of the rewards, so that a reward of 0.8 is not above ``tau=0.8``.

    Attributes:
        tau: In [0, 1); the paper's list is 0.0, 0.7, 0.8, 0.9, 0.95, 0.99.

    Raises:
        ValueError: If ``tau`` is out of range.
    """

    by_source: ClassVar[bool] = False
    tau: float

    def __post_init__(self) -> None:
        _check_range("tau", self.tau, 0.0, 1.0)

    @property
    def value(self) -> float:
        """``tau``."""
        return self.tau

    def __call__(self, source_index: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mask [N], true where ``reward > tau``; ``source_index`` plays no part."""
        check_rewards("reward", reward)
        return reward > np.float32(self.tau)


@dataclass(frozen=True)
class Percentile:
    """Keeps, for each source, what is strictly above the ``p``-th percentile of its own candidates (appendix A.7).

    The percentile is interpolated linearly between the two nearest ranks, as ``numpy.percentile`` does. Ties at the
    percentile are all dropped; a source whose best reward is shared by so many candidates that it *is* the percentile
    keeps nothing.

    Attributes:
        p: In [0, 100); the paper sees little gain after 90.

    Raises:
        ValueError: If ``p`` is out of range.
    """

    by_source: ClassVar[bool] = True
    p: float

    def __post_init__(self) -> None:
        _check_range("p", self.p, 0.0, 100.0)

    @property
    def value(self) -> float:
        """``p``."""
        return self.p

    def __call__(self, source_index: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mask [N], true where ``reward`` is above the percentile of its source."""
        check_rewards("reward", reward)
        group, counts = _groups(source_index)
        ranked = _sort_within(group, reward)
        position = self.p * (counts - 1) / 100
        below = np.floor(position).astype(np.int64)
        first = np.cumsum(counts) - counts
        low = ranked[first + below].astype(np.float64)
        high = ranked[first + np.minimum(below + 1, counts - 1)]
        percentile: NDArray[np.float64] = low + (position - below) * (high - low)
        return reward > percentile[group]


@dataclass(frozen=True)
class Interpolation:
    """Keeps, for each source, ``R > gamma * max + (1 - gamma) * mean`` of its own candidates (appendix A.7).

    As ``gamma`` is below 1, a source keeps its best unless all its candidates are equal; then it keeps nothing.

    Attributes:
        gamma: In [0, 1).

    Raises:
        ValueError: If ``gamma`` is out of range.
    """

    by_source: ClassVar[bool] = True
    gamma: float

    def __post_init__(self) -> None:
        _check_range("gamma", self.gamma, 0.0, 1.0)

    @property
    def value(self) -> float:
        """``gamma``."""
        return self.gamma

    def __call__(self, source_index: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mask [N], true where ``reward`` is above the interpolated threshold of its source."""
        check_rewards("reward", reward)
        group, counts = _groups(source_index)
        best = np.zeros(len(counts))
        np.maximum.at(best, group, reward)
        mean = np.bincount(group, weights=reward, minlength=len(counts)) / np.maximum(counts, 1)
        # Written from the mean up, equal candidates give exactly their own reward, which is then not above itself.
        threshold = mean + self.gamma * (best - mean)
        return reward > threshold[group]


@dataclass(frozen=True)
class Best:
    """Keeps, for each source, the ``k`` candidates of the highest rewards, of equal ones the first.

    It is the best of K of RAFT (arXiv 2304.06767), and expert iteration's. No source loses all it has, and none is
    judged by another.

    Attributes:
        k: At least 1, a whole number.

    Raises:
        ValueError: If ``k`` is out of range.
    """

    by_source: ClassVar[bool] = True
    k: float

    def __post_init__(self) -> None:
        if not (self.k >= 1 and float(self.k).is_integer()):
            raise ValueError(f"k is {self.k}; choose a whole number of at least 1, the candidates to keep of a source")

    @property
    def value(self) -> float:
        """``k``."""
        return self.k

    def __call__(self, source_index: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Mask [N], true at the ``k`` best of each source."""
        check_rewards("reward", reward)
        return _first_of_each(source_index, np.lexsort((-reward, source_index)), int(self.k))


def at_most(
    source_index: NDArray[np.int64], most: int | np.int64 | NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask [N], true for at most so many trajectories of each source, drawn at random.

    Easy sources pass a filter with many samples, hard ones with few; so none outweighs the others (ReST-EM, arXiv
    2312.06585).

    Args:
        source_index: int64 [N].
        most: At least 1; or int64 [N], of the source of each.
        rng: Draws them.
    """
    order = rng.permutation(len(source_index))
    return _first_of_each(source_index, order[np.argsort(source_index[order], kind="stable")], most)


@dataclass(frozen=True)
class Schedule:
    """The filters of successive Improve steps: one kind, each value strictly above the one before.

    Of :class:`Best`, which is the stricter the fewer it keeps, each value is below the one before.

    Raises:
        ValueError: If the kinds differ or the values do not rise; the sequence is shown.
    """

    filters: tuple[Filter, ...]

    def __post_init__(self) -> None:
        kinds = sorted({type(chosen).__name__ for chosen in self.filters})
        if len(kinds) > 1:
            raise ValueError(f"schedule mixes {' and '.join(kinds)}; use filters of one kind")
        values = [chosen.value for chosen in self.filters]
        falls = any(isinstance(chosen, Best) for chosen in self.filters)
        if any((later >= earlier) if falls else (later <= earlier) for earlier, later in pairwise(values)):
            raise ValueError(
                f"schedule {values} does not {'fall' if falls else 'rise'}; each Improve step must be stricter than "
                "the one before"
            )

    def __len__(self) -> int:
        return len(self.filters)

    def __getitem__(self, step: int) -> Filter:
        return self.filters[step]

    def __iter__(self) -> Iterator[Filter]:
        return iter(self.filters)


FILTERS: dict[str, Callable[[float], Filter]] = {
    "threshold": Threshold,
    "percentile": Percentile,
    "interpolation": Interpolation,
    "best": Best,
}


def make_filter(name: str, value: float) -> Filter:
    """The filter called "threshold", "percentile", "interpolation" or "best", at a value.

    Raises:
        ValueError: If the name is unknown or the value out of range.
    """
    check_name("filter", name, FILTERS)
    return FILTERS[name](value)


def make_schedule(name: str, values: Sequence[float]) -> Schedule:
    """Filters of one kind at rising values.

    Raises:
        ValueError: If the name is unknown, a value is out of range, or the values do not rise.
    """
    return Schedule(tuple(make_filter(name, value) for value in values))


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise ValueError(
            f"{name} is {value}; choose it in [{low:g}, {high:g}), as at {high:g} nothing is strictly above"
        )


def _groups(source_index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Consecutive number of each trajectory's source, int64 [N], and candidates a source, int64 [U]."""
    _, group, counts = np.unique(source_index, return_inverse=True, return_counts=True)
    return group.astype(np.int64), counts.astype(np.int64)


def _first_of_each(
    source_index: NDArray[np.int64], order: NDArray[np.int64], most: int | np.int64 | NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mask [N], true at the first ``most`` of each source in an order that keeps sources together."""
    _, first, counts = np.unique(source_index[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, counts)
    mask = np.zeros(len(order), dtype=np.bool_)
    mask[order[rank < (most[order] if isinstance(most, np.ndarray) and most.ndim else most)]] = True
    return mask


def _sort_within(group: NDArray[np.int64], reward: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N], rewards sorted within their group, groups in order.

    The bits of a float32 that is not negative sort as the number does, so group and reward make one integer key: a
    plain sort of 10 million keys takes 0.3 s where ``numpy.lexsort`` takes 6 s.
    """
    bits = (reward + np.float32(0)).view(np.uint32)  # adding zero turns -0.0 into 0.0
    key = (group.astype(np.uint64) << np.uint64(32)) | bits
    key.sort()
    return (key & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
