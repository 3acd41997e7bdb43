"""What ratings say: systems by people and by the learned reward (the paper's figure 7), agreement, words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from experiments.people.agreement import krippendorff_alpha
from experiments.people.campaign import Campaign, Candidate, Group, Item
from experiments.people.rating_files import Rating
from experiments.reports.statistics import Interval, interval
from experiments.scorer_training.scorer_report import Agreement, agreement

Scores = Mapping[tuple[str, str], float]
"""Mean over raters by item and candidate."""


@dataclass(frozen=True)
class SystemScore:
    """What people, and the learned reward, say of a system.

    Attributes:
        stage: The system.
        sources: Rated ones.
        human: Mean over sources, on the protocol's scale; None of fewer than two sources.
        gain: Over the first system on the same sources; None for the first, or of fewer than two.
        whole_gain: The same over all test sources: where two translations are the same, so is their quality.
        reward: Mean learned reward over all test sources.
        reward_gain: Over the first system; None for the first.
        oracle: Mean true quality over all test sources; None where the run has no oracle.
        errors: Major and minor errors that raters marked, per translation; None where they do not mark.
    """

    stage: str
    sources: int
    human: Interval | None
    gain: Interval | None
    whole_gain: Interval | None
    reward: float
    reward_gain: float | None
    oracle: float | None
    errors: tuple[float, float] | None


@dataclass(frozen=True)
class HumanVerdict:
    """What the ratings of a campaign say.

    Attributes:
        raters: How many ratings each gave.
        ratings: Translations that were rated.
        missing: Translations that nobody rated.
        alpha: Krippendorff's alpha of scores; None where no two raters rated the same.
        gain_alpha: That of differences between translations of an item; None likewise, or where items have one.
        shared: Translations that two raters or more rated.
        systems: In the campaign's order.
        scorer: How the learned reward agrees with people, over translations.
    """

    raters: dict[str, int]
    ratings: int
    missing: int
    alpha: float | None
    gain_alpha: float | None
    shared: int
    systems: list[SystemScore]
    scorer: Agreement

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def human_verdict(campaign: Campaign, ratings: Sequence[Rating]) -> HumanVerdict:
    """Scores by system, with 95 % intervals over sources; raters are averaged first."""
    by_place: dict[tuple[str, str], list[Rating]] = {}
    for rating in ratings:
        by_place.setdefault((rating.item.name, rating.candidate.code), []).append(rating)
    scores = {place: fmean(each.score for each in answers) for place, answers in by_place.items()}
    raters = dict.fromkeys(rating.rater for rating in ratings)
    pairs = [(item, each) for item in campaign.items for each in item.candidates if (item.name, each.code) in scores]
    # A translation that is shown beside several others is one translation still.
    by_text: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for item, each in pairs:
        known = scores[item.name, each.code], each.measures["reward"]
        by_text.setdefault((item.source, each.text), []).append(known)
    means = np.array([np.mean(known, axis=0) for known in by_text.values()], dtype=np.float32).reshape(-1, 2)
    return HumanVerdict(
        {rater: sum(rating.rater == rater for rating in ratings) for rater in raters},
        len(scores),
        campaign.size - len(scores),
        krippendorff_alpha([each.score for each in answers] for answers in by_place.values()),
        krippendorff_alpha(_gains(campaign, ratings)),
        sum(len(answers) > 1 for answers in by_place.values()),
        [_system(campaign, stage, scores, by_place) for stage in campaign.systems],
        agreement([source for source, _ in by_text], means[:, 0], means[:, 1]),
    )


def _gains(campaign: Campaign, ratings: Sequence[Rating]) -> list[list[float]]:
    """Of each two translations shown together, what each rater who scored both sees between them."""
    by_rater: dict[tuple[str, str], dict[str, float]] = {}
    for rating in ratings:
        by_rater.setdefault((rating.item.name, rating.rater), {})[rating.candidate.code] = rating.score
    units: dict[tuple[str, str, str], list[float]] = {}
    for (item, _), answers in by_rater.items():
        codes = sorted(answers)
        for place, one in enumerate(codes):
            for other in codes[place + 1 :]:
                units.setdefault((item, one, other), []).append(answers[one] - answers[other])
    return list(units.values())


def _system(
    campaign: Campaign, stage: str, scores: Scores, by_place: Mapping[tuple[str, str], Sequence[Rating]]
) -> SystemScore:
    first = campaign.systems[0]
    own = _by_row(campaign, stage, scores)
    levels: dict[int, list[float]] = {}
    for (_, row), score in own.items():
        levels.setdefault(row, []).append(score)
    gain = whole = None
    if stage != first:
        base = _by_row(campaign, first, scores)
        gains = {place: score - base[place] for place, score in own.items() if place in base}
        gain = _interval(list(gains.values()))
        whole = _whole(campaign, stage, gains)
    means, base_means = campaign.means[stage], campaign.means[first]
    written = [
        answers
        for item, each in _written(campaign, stage)
        if (answers := by_place.get((item.name, each.code))) is not None
    ]
    errors = None
    if campaign.rules.marks_errors and written:
        major, minor = (
            fmean(fmean(rating.errors.count(kind) for rating in answers) for answers in written)
            for kind in ("major", "minor")
        )
        errors = major, minor
    return SystemScore(
        stage, len(levels), _interval([fmean(each) for each in levels.values()]), gain, whole, means["reward"],
        None if stage == first else means["reward"] - base_means["reward"], means.get("oracle"), errors,
    )  # fmt: skip


def _written(campaign: Campaign, stage: str) -> list[tuple[Item, Candidate]]:
    return [(item, each) for item in campaign.items for each in item.candidates if stage in each.systems]


def _by_row(campaign: Campaign, stage: str, scores: Scores) -> dict[tuple[int, int], float]:
    """A system's score by group and source."""
    return {
        (item.group, item.row): scores[item.name, each.code]
        for item, each in _written(campaign, stage) if (item.name, each.code) in scores
    }  # fmt: skip


def _whole(campaign: Campaign, stage: str, gains: Mapping[tuple[int, int], float]) -> Interval | None:
    """The gain over all test sources, of which those with the same translations by all systems gain nothing."""
    place = next(place for place, group in enumerate(campaign.groups) if stage in group.systems)
    group: Group = campaign.groups[place]
    shown = {(item.group, item.row): set[str]() for item in campaign.items}
    for item in campaign.items:
        shown[item.group, item.row] |= {each.text for each in item.candidates}
    different = [gain for where, gain in gains.items() if len(shown[where]) > 1]
    known = _interval(different)
    share = group.different / group.total
    return None if known is None else Interval(share * known.mean, share * known.low, share * known.high, known.p)


def _interval(values: Sequence[float]) -> Interval | None:
    return interval(np.array([values])) if len(values) > 1 else None
