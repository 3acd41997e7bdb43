"""Means over seeds, each a whole run, with t intervals, and their p-values corrected for how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.reports.statistics import holm, interval


class SeedMean(NamedTuple):
    """A mean over seeds; of a single one there is no interval.

    Attributes:
        value: The mean.
        low: Of the 95 % t interval.
        high: Of the same.
        p: Of a mean of 0, two-sided.
        by_seed: The numbers.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    by_seed: tuple[float, ...]

    def __format__(self, spec: str) -> str:
        around = "" if self.low is None else f" [{self.low:{spec}}, {self.high:{spec}}]"
        return f"{self.value:{spec}}{around}"


def seed_mean(values: Sequence[tuple[int, float]]) -> SeedMean | None:
    """Mean over seeds of the mean of each one's numbers; None where there is no number.

    Seeds that have fewer numbers than others, because a data set is missing, are left out: their means would be of
    something else.

    Args:
        values: Seed and number.
    """
    by_seed: dict[int, list[float]] = {}
    for seed, value in values:
        by_seed.setdefault(seed, []).append(value)
    most = max(map(len, by_seed.values()), default=0)
    means = tuple(float(np.mean(each)) for _, each in sorted(by_seed.items()) if len(each) == most)
    if len(means) < 2:
        return SeedMean(means[0], None, None, None, means) if means else None
    known = interval(np.array(means)[:, None])
    return SeedMean(known.mean, known.low, known.high, known.p, means)


def corrected(known: Mapping[str, SeedMean]) -> dict[str, SeedMean]:
    """With p-values corrected by Holm; those that have the same numbers are one test."""
    tested = {name: each for name, each in known.items() if each.p is not None}
    p_values = holm({_test(each): each.p for each in tested.values() if each.p is not None})
    return {name: each._replace(p=p_values[_test(each)]) if name in tested else each for name, each in known.items()}


def number_of_tests(known: Mapping[str, SeedMean]) -> int:
    """How many :func:`corrected` counts."""
    return len({_test(each) for each in known.values() if each.p is not None})


def smallest_shown(of: SeedMean, count: int, level: float = 0.05) -> float:
    """The least mean that the first of Holm's steps would take for more than 0, were the numbers spread as these are.

    Args:
        of: Two seeds or more.
        count: Number of tests.
        level: Of all of them.
    """
    from scipy.stats import t

    seeds = len(of.by_seed)
    error = np.std(of.by_seed, ddof=1) / np.sqrt(seeds)
    return float(t.ppf(1 - level / (2 * count), seeds - 1) * error)


def _test(each: SeedMean) -> str:
    return ",".join(f"{value:.9f}" for value in each.by_seed)
