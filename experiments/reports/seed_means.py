"""Means over seeds, each a whole run, with t intervals, and their p-values corrected for how many there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


def seed_mean(values: Sequence[tuple[int, str, float]], datasets: Collection[str] = ()) -> SeedMean | None:
    """Mean over seeds of the mean of each one's data sets; None where no seed has all of them.

    Seeds that lack a data set are left out: their means would be of something else.

    Args:
        values: Seed, data set and number.
        datasets: That a seed must have, beside all that any seed has.
    """
    by_seed: dict[int, dict[str, float]] = {}
    for seed, dataset, value in values:
        by_seed.setdefault(seed, {})[dataset] = value
    wanted = {*datasets, *(dataset for _, dataset, _ in values)}
    means = tuple(float(np.mean([*each.values()])) for _, each in sorted(by_seed.items()) if each.keys() == wanted)
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
    """The least mean that Holm's next step would take for more than 0, were the numbers spread as these are.

    Args:
        of: Two seeds or more.
        count: Number of tests that are not rejected yet, this one included.
        level: Of all of them.
    """
    from scipy.stats import t

    seeds = len(of.by_seed)
    error = np.std(of.by_seed, ddof=1) / np.sqrt(seeds)
    return float(t.ppf(1 - level / (2 * count), seeds - 1) * error)


def _test(each: SeedMean) -> str:
    return ",".join(f"{value:.9f}" for value in each.by_seed)
