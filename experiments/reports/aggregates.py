"""Aggregate scores over data sets and runs, as rliable has them: interquartile means, profiles, probabilities.

Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264). Runs are
resampled within each data set (stratified bootstrap). Shape letter: R runs, whose number data sets may differ in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = Mapping[str, NDArray[np.float64]]
"""float64 [R] of each data set, by its name."""

RESAMPLES = 2_000


class Estimate(NamedTuple):
    """A statistic with its 95 % bootstrap interval, which a data set with a single run does not have."""

    value: float
    low: float | None
    high: float | None

    def __format__(self, spec: str) -> str:
        interval = "" if self.low is None else f" [{self.low:{spec}}, {self.high:{spec}}]"
        return f"{self.value:{spec}}{interval}"


def interquartile_mean(scores: Scores) -> float:
    """Mean of all runs' scores, all data sets together, without the lowest and the highest quarter, rounded down."""
    every = np.sort(np.concatenate(list(scores.values())))
    left_out = len(every) // 4
    return float(every[left_out : len(every) - left_out].mean())


def probability_of_improvement(one: Scores, other: Scores) -> float:
    """Probability that a run of one is better than one of the other, ties counted half: the mean over data sets.

    Raises:
        ValueError: If they have no data set in common.
    """
    common = [name for name in one if name in other]
    if not common:
        raise ValueError(f"{', '.join(one)} and {', '.join(other)} have no data set in common")
    differences = [one[name][:, None] - other[name][None, :] for name in common]
    return float(np.mean([((each > 0) + 0.5 * (each == 0)).mean() for each in differences]))


def performance_profile(scores: Scores, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of runs whose score is above each threshold, each data set counting alike; float64 like ``thresholds``."""
    shares = [(values[:, None] > thresholds[None, :]).mean(0) for values in scores.values()]
    profile: NDArray[np.float64] = np.mean(shares, axis=0)
    return profile


def estimate(statistic: Callable[..., float], *scores: Scores, seed: int = 0) -> Estimate:
    """A statistic of one set of scores or several, each data set's runs of each resampled by themselves.

    Args:
        statistic: Takes as many scores.
        *scores: Of each agent.
        seed: Of the resamples.
    """
    value = statistic(*scores)
    if any(len(values) < 2 for each in scores for values in each.values()):
        return Estimate(value, None, None)
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(*({name: rng.choice(values, len(values)) for name, values in each.items()} for each in scores))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Estimate(value, low, high)
