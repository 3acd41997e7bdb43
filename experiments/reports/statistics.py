"""Statistics over whole runs and sources: intervals, tests, and correction for many of them.

Runs and sources are crossed random samples: every run sees the same sources, and both another run and other sources
would have given other numbers. Shape letters: R runs, N sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000


class Interval(NamedTuple):
    """A mean, its 95 % interval, and the p-value of a mean of 0, two-sided."""

    mean: float
    low: float
    high: float
    p: float

    def negated(self) -> Interval:
        """Of the values with the opposite sign."""
        return Interval(-self.mean, -self.high, -self.low, self.p)

    def around(self, mean: float) -> Interval:
        """As wide, around another mean."""
        shift = mean - self.mean
        return Interval(mean, self.low + shift, self.high + shift, self.p)

    def __str__(self) -> str:
        return f"{self:.3f}"

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def interval(values: NDArray[np.float64]) -> Interval:
    r"""Mean over runs and sources, with a t interval of the two-way random model.

    With the mean squares of runs, sources and residuals,

        Var(mean) = (MS_R + MS_N - MS_RN) / (R N),

    at least what either of the first two alone gives, and degrees of freedom by Satterthwaite (1946). A percentile
    bootstrap over a handful of runs is too narrow; this holds its level from five runs on. Two runs that are alike by
    chance would have Satterthwaite's formula take their mean for certain, so that of two, the quantiles of t are
    averaged in place of the degrees of freedom, by the shares of runs and sources in the variance, as Cochran (1964)
    does for two samples. Of a single run, the interval is over sources alone, and says nothing of other runs.

    Args:
        values: float64 [R,N]; differences, for a paired comparison.

    Raises:
        ValueError: If ``values`` is no such matrix, has a single number, or holds NaN.
    """
    if values.ndim != 2 or values.size < 2 or np.isnan(values).any():
        raise ValueError(f"values has shape {values.shape}; give numbers [runs, sources], at least 2, none of them NaN")
    mean = float(values.mean())
    variances, freedoms = _variance_of_mean(values)
    error = float(np.sqrt(variances.sum()))
    # Rounding leaves a trace of variance where all values are the same.
    if error <= 1e-12 * float(np.abs(values).max()):
        return Interval(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    shares = variances / variances.sum()
    half = _quantile(0.025, shares, freedoms) * error
    return Interval(mean, mean - half, mean + half, 2 * _tail(abs(mean) / error, shares, freedoms))


def _variance_of_mean(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parts of the variance of the mean of [R,N], none of two of them 0, and the freedoms of their estimates."""
    runs, sources = values.shape
    if min(runs, sources) == 1:
        return np.array([values.var(ddof=1) / values.size]), np.array([values.size - 1.0])
    by_run, by_source, mean = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True), values.mean()
    squares = np.array([
        sources * ((by_run - mean) ** 2).sum() / (runs - 1),
        runs * ((by_source - mean) ** 2).sum() / (sources - 1),
        ((values - by_run - by_source + mean) ** 2).sum() / ((runs - 1) * (sources - 1)),
    ])  # fmt: skip
    freedoms = np.array([runs - 1.0, sources - 1, (runs - 1) * (sources - 1)])
    if runs == 2 and squares[0] <= 1e-12 * squares.max():  # means that are alike by chance tell of no error
        return squares[[1]] / values.size, freedoms[[1]]
    if runs == 2:
        parts = np.array([squares[0], squares[1] - squares[2]])
        return parts[parts > 0] / values.size, freedoms[:2][parts > 0]
    total = squares[0] + squares[1] - squares[2]
    largest = int(squares[:2].argmax())
    if squares[largest] >= total:
        return squares[[largest]] / values.size, freedoms[[largest]]
    return np.array([total / values.size]), np.array([total**2 / (squares**2 / freedoms).sum()])


def _quantile(tail: float, shares: NDArray[np.float64], freedoms: NDArray[np.float64]) -> float:
    """Standard errors that a mean is above with probability ``tail``: the quantiles of each part's t, by its share."""
    from scipy.special import stdtrit

    return float(-stdtrit(freedoms, tail) @ shares)


def _tail(errors: float, shares: NDArray[np.float64], freedoms: NDArray[np.float64]) -> float:
    """Probability that a mean is so many standard errors above 0; the inverse of :func:`_quantile`."""
    from scipy.special import stdtr

    tails = stdtr(freedoms, -errors)
    if tails.min() == tails.max():
        return float(tails[0])
    from scipy.optimize import brentq

    # It lies between the tails; the brackets are wider, for a root at one of them could be lost in rounding.
    low, high = max(tails.min() / 2, np.finfo(float).tiny), min(2 * tails.max(), 0.5)
    return float(
        brentq(lambda tail: _quantile(tail, shares, freedoms) - errors, low, high, xtol=low * 1e-12, rtol=1e-12)
    )


class OrderDifference(NamedTuple):
    """How surely two measures put the same systems into different orders, by bootstrap.

    Attributes:
        pair: Share of resamples that have the pair of systems the other way round which most have so.
        anywhere: Share that have any pair so. Of many systems that lie close it is near 1, whatever the truth.
        pairs: How many pairs there are.
    """

    pair: float
    anywhere: float
    pairs: int

    @property
    def verdict(self) -> Literal["holds", "does not hold", "not shown"]:
        """On the orders' being different, at 5 %, corrected by Bonferroni for the pairs that one is chosen from."""
        if self.pair >= 1 - 0.05 / self.pairs:
            return "holds"
        return "does not hold" if self.anywhere <= 0.05 else "not shown"

    def __str__(self) -> str:
        if self.pairs == 1:
            return f"both orders differ with bootstrap probability {self.pair:.2f}"
        return (
            f"of {self.pairs} pairs, the one that is most surely the other way round is so with bootstrap probability "
            f"{self.pair:.2f}, any with {self.anywhere:.2f}"
        )


def order_difference(
    one: Mapping[str, NDArray[np.float64]], other: Mapping[str, NDArray[np.float64]], *, seed: int = 0
) -> OrderDifference:
    """Whether two measures put the same systems into different orders.

    Every resample draws sources once for all systems and both measures, and runs once for all systems of as many: these
    are taken to be of the same seeds in one order. It draws one run fewer than there are: with a handful of runs, as
    many as there are would make their means vary too little.

    Args:
        one: float64 [R,N] of each system by one measure, at least two; R may differ between systems.
        other: The same systems by the other measure.
        seed: Of the resamples.

    Raises:
        ValueError: If the measures have other systems, or these other sources, or there is no pair of them.
    """
    if one.keys() != other.keys() or len({values.shape[1] for values in (*one.values(), *other.values())}) > 1:
        raise ValueError(f"measures of {sorted(one)} and {sorted(other)} are not of the same systems and sources")
    if len(one) < 2:
        raise ValueError(f"{len(one)} system has no order; give at least 2")
    rng = np.random.default_rng(seed)
    sources = next(iter(one.values())).shape[1]
    turned, anywhere = np.zeros((len(one), len(one))), 0
    for _ in range(RESAMPLES):
        columns = rng.integers(sources, size=sources)
        rows = {
            runs: rng.integers(runs, size=max(1, runs - 1))[:, None]
            for runs in sorted({len(values) for values in one.values()})
        }
        means = np.array([
            [values[rows[len(values)], columns].mean() for values in measure.values()]
            for measure in (one, {name: other[name] for name in one})
        ])  # fmt: skip
        signs = np.sign(means[:, :, None] - means[:, None, :])
        reversed_pairs = signs[0] * signs[1] < 0
        turned += reversed_pairs
        anywhere += bool(reversed_pairs.any())
    return OrderDifference(float(turned.max()) / RESAMPLES, anywhere / RESAMPLES, len(one) * (len(one) - 1) // 2)


def resampled_means(values: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Means of bootstrap resamples of runs and sources, drawn as for :func:`order_difference`.

    Calls with one seed draw the same runs and sources, so that what is computed of several means stays paired.

    Args:
        values: float64 [R,N,...].
        seed: Of the resamples.

    Returns:
        float64 [:data:`RESAMPLES`,...].
    """
    rng = np.random.default_rng(seed)
    runs, sources = values.shape[:2]
    of_runs = rng.multinomial(max(1, runs - 1), np.full(runs, 1 / runs), RESAMPLES) / max(1, runs - 1)
    of_sources = rng.multinomial(sources, np.full(sources, 1 / sources), RESAMPLES) / sources
    by_run = np.tensordot(of_sources, values, (1, 1))  # [resamples,R,...]
    return np.asarray(np.einsum("sr,sr...->s...", of_runs, by_run))


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


def sums_by_source(values: NDArray[np.float64], sources: Sequence[str]) -> NDArray[np.float64]:
    """Sums over rows of one source, in the order in which these come first.

    A split may hold a source several times, with several references; its rows are no more independent than the words of
    a sentence, and are one of the sources that intervals are over.

    Args:
        values: float64 [rows,...].
        sources: Of each row.

    Returns:
        float64 [N,...]; ``values`` themselves where all sources differ.
    """
    places = {source: place for place, source in enumerate(dict.fromkeys(sources))}
    if len(places) == len(values):
        return values
    sums = np.zeros((len(places), *values.shape[1:]))
    np.add.at(sums, [places[source] for source in sources], values)
    return sums


def means_by_source(values: NDArray[np.float64], sources: Sequence[str]) -> NDArray[np.float64]:
    """Means over rows of one source, as :func:`sums_by_source` has sums."""
    times = sums_by_source(np.ones(len(values)), sources)
    return sums_by_source(values, sources) / times.reshape(-1, *[1] * (values.ndim - 1))


def stack(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """float64 [R,N] of R runs' values.

    Raises:
        ValueError: If runs have different numbers of sources.
    """
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"runs have {sorted({len(row) for row in rows})} sources; compare on one split")
    return np.array(rows, dtype=np.float64)
