"""Best-of-N curves of a run's policies, and what they show.

Shape letters: R runs, B sources, M samples of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.statistics import Interval, holm, interval, resampled_means
from experiments.reports.subsets import agreement_chances, best_of_curves
from experiments.runs.finished_stages import stage_name
from experiments.runs.stage_samples import Candidates, Wanted

LEVEL = 0.05
"""Of all looks at falls together."""

FEW = (1, 2, 4, 8)
"""Samples of a trained policy, below the paper's 10, beside which the supervised policy's N is put."""

Sampled = Mapping[Wanted, Sequence[Candidates]]
"""Of one run."""


@dataclass(frozen=True)
class Curve:
    """One stage at one temperature, in every run.

    Attributes:
        wanted: Which.
        reward: float64 [R,B,M], of the sample of the highest reward among N, at N - 1.
        gold: The same sample's true quality; None where it is not known.
        agreeing: Reward and true quality, float64 [R,B] each, of what minimum Bayes risk decoding takes, by N.
    """

    wanted: Wanted
    reward: NDArray[np.float64]
    gold: NDArray[np.float64] | None
    agreeing: dict[int, tuple[NDArray[np.float64], NDArray[np.float64] | None]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As tables and plots show it; with the temperature :meth:`titled`."""
        return stage_name(self.wanted.stage)

    @property
    def title(self) -> str:
        """With the temperature."""
        return f"{self.name}, T = {self.wanted.temperature:g}"

    @property
    def numbers(self) -> list[int]:
        """N = 1, 2, 4 and so on, and M."""
        most = self.reward.shape[2]
        return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})

    def at(self, measure: str, number: int) -> NDArray[np.float64]:
        """float64 [R,B] of "reward" or "gold" for one N."""
        values = self.reward if measure == "reward" else self.gold
        assert values is not None
        return values[..., number - 1]

    @property
    def measures(self) -> list[str]:
        """Those that are known."""
        return ["reward"] if self.gold is None else ["reward", "gold"]


def curves(every: Sequence[Sampled], samples: int, seed: int = 0) -> list[Curve]:
    """The curves of all stages that were sampled so often, in all runs, with minimum Bayes risk decoding beside them.

    Args:
        every: Of R runs.
        samples: M.
        seed: Of the order of the samples for minimum Bayes risk decoding.
    """
    known = []
    for wanted in every[0]:
        if wanted.samples == samples:
            runs = [run[wanted] for run in every]
            known.append(best_of_curve(wanted, runs))
            known[-1].agreeing.update(_agreeing(known[-1], runs, seed))
    return known


def best_of_curve(wanted: Wanted, runs: Sequence[Sequence[Candidates]]) -> Curve:
    """The curve of one stage in R runs, without minimum Bayes risk decoding."""
    both = [best_of_curves(run) for run in runs]
    gold = [known for _, known in both if known is not None]
    return Curve(wanted, np.array([reward for reward, _ in both]), np.array(gold) if gold else None)


def _agreeing(
    curve: Curve, runs: Sequence[Sequence[Candidates]], seed: int
) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64] | None]]:
    numbers = [number for number in curve.numbers if number in (4, 16, 64, 256)]
    taken = [[agreement_chances(each, numbers, seed) for each in run] for run in runs]

    def of(name: str, number: int) -> NDArray[np.float64]:
        return np.array([
            [chances[number] @ getattr(each, name) for each, chances in zip(run, own, strict=True)]
            for run, own in zip(runs, taken, strict=True)
        ])  # fmt: skip

    return {
        number: (of("reward", number), of("gold", number) if "gold" in curve.measures else None) for number in numbers
    }


class Equal(NamedTuple):
    """Samples of the supervised policy whose best is as good as the best of a few of a trained one.

    Attributes:
        name: Of the trained policy.
        few: Its samples.
        value: Mean of its best of so many.
        number: The supervised policy's N; infinite where no N up to M reaches the value.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    name: str
    few: int
    value: float
    number: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_count(self.number)} [{_count(self.low)}, {_count(self.high)}]"


def _count(number: float) -> str:
    return "none" if np.isinf(number) else f"{number:.0f}"


def equal_numbers(base: Curve, curve: Curve, measure: str) -> list[Equal]:
    """The smallest N at which the supervised policy's best reaches the best of a few samples of a trained one.

    The interval is a percentile bootstrap over runs and sources, the same for both policies.

    Args:
        base: The supervised policy's.
        curve: The trained policy's.
        measure: "reward" or "gold".
    """
    values = [getattr(each, measure) for each in (base, curve)]
    means, resampled = [each.mean((0, 1)) for each in values], [resampled_means(each) for each in values]
    rows = []
    for few in FEW:
        if few <= curve.wanted.samples:
            number = _reaches(means[0][None], means[1][None, few - 1])[0]
            low, high = np.quantile(_reaches(resampled[0], resampled[1][:, few - 1]), (0.025, 0.975), method="nearest")
            rows.append(Equal(curve.name, few, float(means[1][few - 1]), float(number), float(low), float(high)))
    return rows


def _reaches(rising: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first N of [S,M] that is at least [S], rounding aside; infinite where none is."""
    reached = rising >= value[:, None] - 1e-12
    return np.where(reached.any(1), reached.argmax(1) + 1.0, np.inf)


class Peak(NamedTuple):
    """The N whose chosen sample has the highest true quality, on average.

    Attributes:
        number: That N.
        low: Lower end of the 95 % interval, a percentile bootstrap over runs and sources.
        high: Upper end.
    """

    number: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.number} [{self.low}, {self.high}]"


def peak(curve: Curve) -> Peak | None:
    """Where true quality is highest; None where it is not known."""
    if curve.gold is None:
        return None
    low, high = np.quantile(resampled_means(curve.gold).argmax(1) + 1, (0.025, 0.975), method="nearest")
    return Peak(int(curve.gold.mean((0, 1)).argmax()) + 1, int(low), int(high))


class Fall(NamedTuple):
    """From one N to a larger one.

    Attributes:
        name: Of the policy, with the temperature.
        since: The smaller N.
        number: The larger N.
        reward: Change of the chosen sample's reward.
        gold: Change of its true quality.
        p: That of the change of true quality, corrected by Holm's procedure for all looks.
    """

    name: str
    since: int
    number: int
    reward: Interval
    gold: Interval
    p: float

    @property
    def is_fall(self) -> bool:
        """Whether the reward is shown to rise and true quality to fall."""
        return self.reward.low > 0 and self.gold.mean < 0 and self.p < LEVEL


def looks(known: Sequence[Curve]) -> list[Fall]:
    """Every doubling of N, and the largest N against every smaller one, of all curves with true quality."""
    rows = []
    for curve in known:
        if curve.gold is not None:
            last = curve.numbers[-1]
            pairs = dict.fromkeys([*pairwise(curve.numbers), *((number, last) for number in curve.numbers[:-1])])
            for since, number in pairs:
                reward, gold = (interval(curve.at(name, number) - curve.at(name, since)) for name in ("reward", "gold"))
                rows.append(Fall(curve.title, since, number, reward, gold, gold.p))
    corrected = holm({str(place): row.p for place, row in enumerate(rows)})
    return [row._replace(p=corrected[str(place)]) for place, row in enumerate(rows)]
