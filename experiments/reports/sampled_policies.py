"""Policies by the means and the spread of their samples: their order by reward and by true quality.

Shape letters: R runs, B sources, M samples of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.best_of_n_curves import Sampled
from experiments.reports.statistics import Interval, OrderDifference, interval, order_difference, resampled_means
from experiments.runs.finished_stages import stage_name
from experiments.runs.stage_samples import Candidates
from experiments.runs.stages import SUPERVISED

BANDS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Limits of a source's true quality, by which the spread of its rewards is put together."""


class Ranked(NamedTuple):
    """A policy among the others, by the mean of its samples.

    Attributes:
        name: Of the policy.
        reward: Mean.
        gold: Mean true quality.
        by_reward: Its place, from 1.
        by_gold: Its place.
        above: Difference of true quality from the supervised policy, which has none itself; None where that was not
            sampled.
    """

    name: str
    reward: float
    gold: float
    by_reward: int
    by_gold: int
    above: Interval | None


def ranking(every: Sequence[Sampled], temperature: float) -> tuple[list[Ranked], OrderDifference] | None:
    """All policies by reward and by true quality, and how surely the two orders differ.

    Args:
        every: Of R runs.
        temperature: Of the samples.

    Returns:
        None where true quality is not known.
    """
    means = {
        wanted.stage: stage_means([run[wanted] for run in every])
        for wanted in every[0] if wanted.temperature == temperature
    }  # fmt: skip
    reward = {stage: each["reward"] for stage, each in means.items()}
    gold = {stage: each["gold"] for stage, each in means.items() if "gold" in each}
    if len(gold) < 2:
        return None
    places = [
        {stage: place for place, stage in enumerate(sorted(values, key=lambda stage: -values[stage].mean()), start=1)}
        for values in (reward, gold)
    ]
    base = gold.get(SUPERVISED)
    rows = [
        Ranked(
            stage_name(stage), float(reward[stage].mean()), float(values.mean()), places[0][stage], places[1][stage],
            None if base is None or stage == SUPERVISED else interval(values - base),
        )
        for stage, values in gold.items()
    ]  # fmt: skip
    return rows, order_difference(reward, gold)


def stage_means(runs: Sequence[Sequence[Candidates]]) -> dict[str, NDArray[np.float64]]:
    """Means over a source's samples, float64 [R,B]: "reward", "gold" where it is known, and "kl", nats."""
    columns = {"reward": "reward", "gold": "gold", "kl": "log_ratio"}
    return {
        name: np.array([[each.mean(getattr(each, column)) for each in run] for run in runs])
        for name, column in columns.items() if getattr(runs[0][0], column) is not None
    }  # fmt: skip


class Spread(NamedTuple):
    """Rewards of samples of sources in a band of true quality.

    Attributes:
        low: Of the band.
        high: Its end.
        sources: Pairs of run and source in it.
        deviation: Standard deviation of the rewards of a source's samples, mean over these; NaN without any.
        ends: Of the 95 % interval.
    """

    low: float
    high: float
    sources: int
    deviation: float
    ends: tuple[float, float]


def spreads(runs: Sequence[Sequence[Candidates]]) -> tuple[list[Spread], Interval] | None:
    """How much rewards vary over the samples of a source, by its mean true quality (figure 9).

    Returns:
        The bands, and by how much sources of at most 0.5 vary more than others, by a percentile bootstrap, whose p is
        NaN; None where true quality is not known, or one of both kinds of sources is not there.
    """
    means = stage_means(runs)
    if "gold" not in means:
        return None
    deviation = np.array([
        [each.mean((each.reward - each.mean(each.reward)) ** 2) ** 0.5 for each in run] for run in runs
    ])  # fmt: skip
    bands = []
    for low, high in pairwise(BANDS):
        inside = (means["gold"] >= low) & ((means["gold"] < high) | (high == BANDS[-1]))
        mean, resampled = _mean_within(deviation, inside)
        bands.append(Spread(low, high, int(inside.sum()), mean, _ends(resampled)))
    bad = means["gold"] <= 0.5
    if bad.all() or not bad.any():
        return None
    (low_mean, low_all), (high_mean, high_all) = _mean_within(deviation, bad), _mean_within(deviation, ~bad)
    return bands, Interval(low_mean - high_mean, *_ends(low_all - high_all), np.nan)


def _mean_within(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Mean of the values [R,B] that are inside, and of resamples; NaN where none is."""
    if not inside.any():
        return np.nan, np.array([np.nan])
    number, total = resampled_means(inside.astype(np.float64)), resampled_means(values * inside)
    kept = number > 0
    return float(values[inside].mean()), np.where(kept, total, np.nan) / np.where(kept, number, 1)


def _ends(resampled: NDArray[np.float64]) -> tuple[float, float]:
    if np.isnan(resampled).all():
        return np.nan, np.nan
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return float(low), float(high)
