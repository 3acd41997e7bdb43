"""Scores by system worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.people.campaign import Campaign, Candidate, Item
from experiments.people.rating_files import Rating
from experiments.people.verdict import human_verdict
from tests.experiments.people.written_run import SOURCES, campaign, write_run

PER_STAGE = {"g0i0": 2, "g1i2": 4, "control-unfiltered": 1}


def rated(known: Campaign, rater: str, plus: float = 0.0) -> list[Rating]:
    """By the system alone, with a half more or less from source to source."""
    return [
        Rating(rater, item, each, PER_STAGE[each.systems[0]] + (0.5 if item.row % 2 else -0.5) + plus, ("major",))
        for item in known.items for each in item.candidates
    ]  # fmt: skip


def test_gains_are_of_pairs_and_speak_of_all_test_sources(tmp_path: Path) -> None:
    _, known = campaign(write_run(tmp_path / "run"), "side-by-side", count=10)
    verdict = human_verdict(known, [*rated(known, "anna"), *rated(known, "ben", 0.5)])
    assert (verdict.raters, verdict.ratings, verdict.missing, verdict.shared) == ({"anna": 40, "ben": 40}, 40, 0, 40)
    first, last, control = verdict.systems
    assert (first.gain, first.whole_gain, first.reward_gain, first.errors) == (None,) * 4
    assert last.gain
    assert last.whole_gain
    assert control.whole_gain
    assert (last.gain.mean, control.whole_gain.mean) == pytest.approx((2, -1 * 17 / 21))
    assert last.whole_gain.mean == pytest.approx(2 * (len(SOURCES) - 4) / len(SOURCES))  # four are the same
    odd = sum(item.row % 2 for item in known.items if item.group == 0) / 10
    assert last.human is not None
    assert last.human.mean == pytest.approx(4 + 0.25 + (odd - 0.5))  # raters are averaged
    assert (last.reward, last.reward_gain, last.oracle) == pytest.approx((0.9, 0.4, 0.3))
    assert verdict.gain_alpha == 1  # ben is kinder to all alike
    assert verdict.alpha is not None
    assert 0 < verdict.alpha < 1
    # People: g1i2 > g0i0 > unfiltered, as the reward; of each source all pairs are in its order.
    assert verdict.scorer.pairwise == 1


def test_systems_that_wrote_the_same_share_a_score(tmp_path: Path) -> None:
    _, known = campaign(write_run(tmp_path / "run"), "esa", count=len(SOURCES))
    half = [rating for rating in rated(known, "anna") if rating.item.row not in (5, 6)]
    verdict = human_verdict(known, half)
    first, last, _ = verdict.systems
    assert verdict.missing == 6
    assert (verdict.alpha, verdict.gain_alpha, verdict.shared) == (None, None, 0)
    assert first.sources == last.sources == len(SOURCES) - 2
    assert last.gain
    assert last.whole_gain
    assert last.gain.mean == pytest.approx(2 * 15 / 19)  # of 19 rated sources four have the same translations
    assert last.whole_gain.mean == pytest.approx(2 * 17 / 21)
    assert last.errors == (1, 0)


def test_too_little_gives_no_interval(tmp_path: Path) -> None:
    _, known = campaign(write_run(tmp_path / "run"), "side-by-side", count=2)
    item: Item = next(item for item in known.items if item.group == 0)
    each: Candidate = item.candidates[0]
    verdict = human_verdict(known, [Rating("anna", item, each, 3, ())])
    assert all(system.gain is system.whole_gain is None for system in verdict.systems)
    assert {system.human for system in verdict.systems} == {None}
    assert verdict.scorer.kendall is None


def test_a_translation_shown_twice_is_no_pair_with_itself(tmp_path: Path) -> None:
    """The first system's stands beside each other's, and gets another score there."""
    _, known = campaign(write_run(tmp_path / "run"), "side-by-side", count=10)
    ratings = [
        replace(rating, score=rating.score - 0.5 * rating.item.group)
        if rating.candidate.systems[0] == "g0i0" else rating
        for rating in rated(known, "anna")
    ]  # fmt: skip
    assert human_verdict(known, ratings).scorer.pairwise == 1
