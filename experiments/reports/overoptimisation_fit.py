"""Over-optimisation after Gao et al. 2022 (arXiv 2210.10760): gains over the distance from the supervised policy.

The distance is ``d = sqrt(KL(pi || pi_0))`` of a whole translation. Gains are fitted by ``d (alpha - beta d)`` for best
of N and by ``d (alpha - beta log d)`` for trained policies, by least squares over the points. Shape letters: R runs, B
sources, P points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.statistics import resampled_means

Form = Literal["best-of-n", "rl"]
"""Of the curve."""

FORMULAS: dict[Form, str] = {"best-of-n": "d (alpha - beta d)", "rl": "d (alpha - beta log d)"}

LEAST_POINTS = 3
"""Points at other distances than 0 that two coefficients are fitted to."""


@dataclass(frozen=True)
class Point:
    """A policy, or a best of N.

    Attributes:
        name: As tables show it.
        kl: float64 [R,B], from the supervised policy, nats of a whole translation.
        gains: float64 [R,B], above the supervised policy's samples, of "reward" and, where it is known, of "gold".
    """

    name: str
    kl: NDArray[np.float64]
    gains: Mapping[str, NDArray[np.float64]]

    @property
    def distance(self) -> float:
        """The root of the mean KL, 0 where the estimate is negative."""
        return float(np.sqrt(max(0.0, self.kl.mean())))


@dataclass(frozen=True)
class Series:
    """Points that one curve may go through.

    Attributes:
        name: As tables and plots show it.
        form: Of the curve; None for points that are no series.
        points: In order.
    """

    name: str
    form: Form | None
    points: Sequence[Point]

    @property
    def measures(self) -> list[str]:
        """Those whose gains are known."""
        return list(self.points[0].gains)


class Estimate(NamedTuple):
    """A number with its 95 % interval, a percentile bootstrap over runs and sources."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return " ".join([_finite(self.value), f"[{_finite(self.low)}, {_finite(self.high)}]"])


def _finite(value: float) -> str:
    return "none" if np.isinf(value) else "-" if np.isnan(value) else f"{value:.3f}"


NOWHERE = 100.0
"""Distance that no policy reaches, 10,000 nats: a curve that hardly bends has its peak beyond."""


class Fit(NamedTuple):
    """Coefficients of a curve.

    Attributes:
        alpha: Slope at small distances.
        beta: How fast the gain bends; above 0 it has a peak.
        peak: Distance of the highest gain on the curve; infinite where there is none.
        farthest: Largest distance of a point.
        error: Root of the mean squared residual.
    """

    alpha: Estimate
    beta: Estimate
    peak: Estimate
    farthest: float
    error: float

    @property
    def bends(self) -> bool:
        """Whether it is shown that the gain bends."""
        return self.beta.low > 0


def fit(series: Series, measure: str) -> Fit | None:
    """The curve through a series' points by one measure; None where there are too few of them.

    Every resample of runs and sources changes distances and gains, and is fitted anew.
    """
    points = [point for point in series.points if point.distance > 0]
    if series.form is None or len(points) < LEAST_POINTS or measure not in series.measures:
        return None
    distance = np.array([point.distance for point in points])
    gain = np.array([point.gains[measure].mean() for point in points])
    resampled = np.stack([np.sqrt(np.maximum(0, resampled_means(point.kl))) for point in points], axis=-1)
    gains = np.stack([resampled_means(point.gains[measure]) for point in points], axis=-1)
    one, every = coefficients(series.form, distance, gain), coefficients(series.form, resampled, gains)
    residuals = basis(series.form, distance) @ one - gain
    alpha, beta = (estimate(one[place], every[:, place]) for place in (0, 1))
    return Fit(
        alpha,
        beta,
        estimate(float(peak(series.form, one)), peak(series.form, every)),
        float(distance.max()),
        float(np.sqrt(np.mean(residuals**2))),
    )


def basis(form: Form, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """What alpha and beta are multiplied by, ``[...,2]``; 0 at a distance of 0."""
    bent = distance if form == "best-of-n" else np.log(np.where(distance > 0, distance, 1))
    return np.stack([distance, -distance * bent], axis=-1)


def coefficients(form: Form, distance: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Alpha and beta of the least squares, ``[...,2]``, of distances and gains ``[...,P]``."""
    return np.asarray((np.linalg.pinv(basis(form, distance)) @ gain[..., None])[..., 0])


def peak(form: Form, known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance at which the curve of coefficients ``[...,2]`` is highest; infinite from :data:`NOWHERE` on."""
    alpha, beta = known[..., 0], known[..., 1]
    bends, safe = beta > 0, np.where(beta > 0, beta, 1)
    with np.errstate(over="ignore"):
        place = np.maximum(0, alpha / (2 * safe)) if form == "best-of-n" else np.exp(alpha / safe - 1)
    return np.asarray(np.where(bends & (place < NOWHERE), place, np.inf))


def estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """With the interval that the resamples [S] give."""
    low, high = np.quantile(resampled, (0.025, 0.975), method="nearest")
    return Estimate(float(value), float(low), float(high))


def best_of_n_kl(number: int) -> float:
    """``log N - (N - 1) / N``, nats: KL of the best of N from one sample where rewards are continuous."""
    return float(np.log(number) - (number - 1) / number)


class Beside(NamedTuple):
    """A policy beside the best of N of the supervised policy at the same KL.

    Attributes:
        number: That N; NaN where it would be more than were drawn.
        best: Gain of the best of so many.
        difference: The policy's gain less that; NaN alike.
    """

    number: float
    best: float
    difference: Estimate


def beside_best_of_n(point: Point, kl: NDArray[np.float64], gain: NDArray[np.float64], measure: str) -> Beside:
    """Compare at equal KL, between two N in proportion.

    Args:
        point: The policy.
        kl: float64 [R,B,M], of the best of N at N - 1.
        gain: float64 [R,B,M].
        measure: "reward" or "gold".
    """
    number, best = _interpolated(kl.mean((0, 1))[None], gain.mean((0, 1))[None], point.kl.mean()[None])
    _, every = _interpolated(resampled_means(kl), resampled_means(gain), resampled_means(point.kl))
    if np.isnan(best[0]):
        return Beside(np.nan, np.nan, Estimate(np.nan, np.nan, np.nan))
    difference = resampled_means(point.gains[measure]) - every
    difference = difference[~np.isnan(difference)]
    value = float(point.gains[measure].mean() - best[0])
    return Beside(float(number[0]), float(best[0]), estimate(value, difference))


def _interpolated(
    kl: NDArray[np.float64], gain: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """N and gain at a KL, [S], on curves [S,M]; NaN beyond the last."""
    numbers = np.arange(1, kl.shape[1] + 1)
    rows = [
        (np.interp(at, x, numbers, right=np.nan), np.interp(at, x, y, right=np.nan))
        for x, y, at in zip(kl, gain, wanted, strict=True)
    ]
    return np.array([number for number, _ in rows]), np.array([value for _, value in rows])
