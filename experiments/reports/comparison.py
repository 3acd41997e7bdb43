"""Statistics of a comparison: intervals over seeds and sources, paired tests, correction for many of them.

Shape letters: R seeds, N sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self:.3f}"

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def interval(values: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Mean over seeds and sources, with a percentile bootstrap that draws both anew.

    Drawing seeds says how much another training would differ, drawing sources how much other sentences would. All
    seeds see the same sources, so one draw of sources serves all seeds of a resample.

    Args:
        values: float64 [R,N].
        seed: Of the resamples.

    Raises:
        ValueError: If ``values`` is no such matrix or holds NaN.
    """
    if values.ndim != 2 or not values.size or np.isnan(values).any():
        raise ValueError(f"values has shape {values.shape}; give numbers [seeds, sources], none of them NaN")
    rng = np.random.default_rng(seed)
    runs, sources = values.shape
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = values[rng.integers(runs, size=runs)].mean(axis=0)
        means[i] = drawn[rng.integers(sources, size=sources)].mean()
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def paired_p(values: NDArray[np.float64], baseline: NDArray[np.float64]) -> float:
    """Two-sided Wilcoxon signed-rank test over sources of the mean over seeds against a baseline.

    Args:
        values: float64 [R,N].
        baseline: float64 [N], or [R,N] whose mean over seeds is taken.

    Returns:
        The p-value; 1 where nothing differs.
    """
    from scipy.stats import wilcoxon

    difference = values.mean(axis=0) - np.atleast_2d(baseline).mean(axis=0)
    return 1.0 if not difference.any() else float(wilcoxon(difference).pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected for their number by Holm's step-down procedure (Holm 1979).

    The i-th smallest of m, counted from 0, is multiplied by m - i; none becomes smaller than one before it, or more
    than 1.
    """
    corrected, least = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = least
    return {name: corrected[name] for name in p_values}
