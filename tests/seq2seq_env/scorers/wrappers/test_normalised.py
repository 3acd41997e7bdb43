from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.scorers import NormalisedScorer, Scorer, affine_knots, checked_scores, quantile_knots
from tests.pickling import sent


class Given:
    """Reads the score from the hypothesis."""

    fingerprint = "given"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray([float(hypothesis) for hypothesis in hypotheses], dtype=np.float32)


def normalised(knots: Any, scores: Sequence[float]) -> list[float]:
    scorer = NormalisedScorer(Given(), knots)
    found = checked_scores(scorer, ["a"] * len(scores), [str(score) for score in scores])
    assert found.dtype == np.float32
    return [float(score) for score in found]


def test_an_affine_scale_runs_from_low_to_high_and_is_clipped() -> None:
    assert isinstance(NormalisedScorer(Given(), affine_knots(0, 1)), Scorer)
    assert normalised(affine_knots(-2, 2), [-1e30, -2, -1, 0, 2, 1e30]) == [0, 0, 0.25, 0.5, 1, 1]
    assert normalised(affine_knots(25, 0), [0, 5, 25, 30]) == pytest.approx([1, 0.8, 0, 0])


def test_quantiles_are_the_share_below_with_half_of_the_equal() -> None:
    knots = quantile_knots(np.arange(11) / 2, 11)
    assert normalised(knots, [-1, 0, 1.25, 5, 9]) == pytest.approx([0, 0, 0.25, 1, 1])
    # A scorer that is bounded at 0 gives it to half of the texts.
    tied = quantile_knots([0.0] * 50 + list(np.linspace(1, 2, 51)), 101)
    assert normalised(tied, [0])[0] == pytest.approx(0.25, abs=0.01)
    assert normalised(tied, [2]) == [1]
    assert normalised(quantile_knots([3.0, 1.0, 2.0], 3, falling=True), [1, 1.5, 2, 3]) == [1, 0.75, 0.5, 0]


def test_ranks_of_many_scores_are_spread_evenly_and_keep_their_order() -> None:
    raw = np.random.default_rng(0).normal(size=2_000) ** 3
    made = normalised(quantile_knots(raw, 101), raw.tolist())
    assert np.histogram(made, 10, (0, 1))[0].tolist() == pytest.approx([200] * 10, abs=8)
    assert (np.diff(np.asarray(made)[np.argsort(raw)]) >= 0).all()


def test_the_fingerprint_follows_the_scorer_and_the_knots() -> None:
    scorer, other = Given(), Given()
    other.fingerprint = "another"
    prints = [NormalisedScorer(scorer, knots).fingerprint for knots in ([(0, 0), (1, 1)], [(0, 0), (2, 1)])]
    prints.append(NormalisedScorer(other, [(0, 0), (1, 1)]).fingerprint)
    assert len(set(prints)) == 3
    assert sent(NormalisedScorer(scorer, [(0, 0), (1, 1)])).fingerprint == prints[0]


@pytest.mark.parametrize("score", ["nan", "inf", "-inf"])
def test_a_score_that_is_no_number_has_no_place_on_a_scale(score: str) -> None:
    with pytest.raises(ValueError, match=f"Given gave pair 1 the score {score}, not a finite number; source 'b'"):
        NormalisedScorer(Given(), affine_knots(0, 1)).score(["a", "b"], ["0.5", score])


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ([], r"the knots have shape \(0,\), not \[K, 2\]"),
        ([[0, 0]], r"shape \(1, 2\), not \[K, 2\] with K of at least 2"),
        ([0, 1], r"shape \(2,\), not"),
        ([[0, 0], [1]], r"not pairs of numbers; give \[score, value\] for each"),
        ([["a", 0], [1, 1]], "not pairs of numbers"),
        ([[0, 0], [float("nan"), 1]], r"knot 1 is \[nan, 1.0\]; give finite numbers"),
        ([[0, 0], [2, 0.5], [1, 1]], "scores of the knots do not rise: 1 follows 2; sort them"),
        ([[0, 0], [0, 1]], "do not rise: 0 follows 0"),
        ([[0, 0], [1, 1.5]], r"values of the knots run from 0 to 1.5; keep to \[0, 1\]"),
        ([[0, 0], [1, 1], [2, 0.5]], "neither only rise nor only fall"),
        ([[0, 0.5], [1, 0.5]], "neither only rise nor only fall"),
    ],
)
def test_knots_that_are_no_monotone_map_are_refused(knots: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NormalisedScorer(Given(), knots)


def test_texts_without_a_spread_fit_nothing() -> None:
    with pytest.raises(ValueError, match=r"every score is 0\.5; there is nothing to normalise"):
        quantile_knots([0.5] * 20)
    with pytest.raises(ValueError, match="low and high are both 1"):
        affine_knots(1, 1)
    with pytest.raises(ValueError, match="a normalisation of 1 knots is none"):
        quantile_knots([0.0, 1.0], 1)
