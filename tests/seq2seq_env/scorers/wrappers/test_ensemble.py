from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.scorers import CachedScorer, EnsembleScorer, Scorer, checked_scores
from tests.pickling import sent


class Lengths:
    """The hypothesis's length times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.fingerprint = f"lengths-{factor}"
        self.calls = 0

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        return np.asarray([self.factor * len(hypothesis) for hypothesis in hypotheses], dtype=np.float32)


SOURCES, HYPOTHESES = ["a", "b", "c"], ["", "x", "xx"]


def test_a_score_is_the_weighted_mean_of_the_members() -> None:
    members = [Lengths(0.1), Lengths(0.5)]
    ensemble = EnsembleScorer(members)
    assert isinstance(ensemble, Scorer)
    np.testing.assert_allclose(checked_scores(ensemble, SOURCES, HYPOTHESES), [0, 0.3, 0.6], rtol=1e-6)
    np.testing.assert_allclose(
        EnsembleScorer(members, [0.75, 0.25]).score(SOURCES, HYPOTHESES), [0, 0.2, 0.4], rtol=1e-6
    )
    np.testing.assert_allclose(ensemble.each(SOURCES, HYPOTHESES), [[0, 0.1, 0.2], [0, 0.5, 1]], rtol=1e-6)


def test_scores_of_1_stay_1_whatever_the_weights_round_to() -> None:
    ensemble = EnsembleScorer([Lengths(0.5)] * 3, [0.1, 0.2, 0.7000001])
    assert ensemble.score(["a"], ["xx"])[0] == 1


def test_the_fingerprint_follows_members_and_weights() -> None:
    one, other = Lengths(0.1), Lengths(0.5)
    known = EnsembleScorer([one, other]).fingerprint
    assert EnsembleScorer([one, other], [0.5, 0.5]).fingerprint == known
    others = [EnsembleScorer([one, other], [0.4, 0.6]), EnsembleScorer([other, one]), EnsembleScorer([one])]
    assert len({known, *(ensemble.fingerprint for ensemble in others)}) == 4
    assert sent(others[0]).fingerprint == others[0].fingerprint


def test_members_behind_a_cache_show_their_own_scores_without_another_call() -> None:
    member = Lengths(0.1)
    cached = CachedScorer(member)
    EnsembleScorer([cached, Lengths(0.2)]).score(SOURCES, HYPOTHESES)
    np.testing.assert_allclose(cached.score(SOURCES, HYPOTHESES), [0, 0.1, 0.2], rtol=1e-6)
    assert member.calls == 1


def test_a_member_beyond_the_range_is_named() -> None:
    with pytest.raises(ValueError, match=r"Lengths gave pair 2 the score 1\.2"):
        EnsembleScorer([Lengths(0.1), Lengths(0.6)]).score(SOURCES, HYPOTHESES)


@pytest.mark.parametrize(
    ("members", "weights", "message"),
    [
        (0, None, "an ensemble has at least 1 scorer, and this one none"),
        (2, [1.0], r"there are 1 weights \(1.0\) for 2 scorers; give one for each"),
        (2, [0.5, 0.6], r"the weights 0.5, 0.6 are not shares of 1; give numbers from 0 that sum to 1"),
        (2, [1.5, -0.5], "the weights 1.5, -0.5 are not shares of 1"),
        (2, [float("nan"), 0.5], "the weights nan, 0.5 are not shares of 1"),
    ],
)
def test_what_is_no_mean_is_refused(members: int, weights: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnsembleScorer([Lengths(0.1)] * members, weights)
