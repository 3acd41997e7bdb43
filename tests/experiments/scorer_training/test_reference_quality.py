"""Sentence scores as the quality of a hypothesis."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from experiments.scorer_training.estimator_config import QualityName
from experiments.scorer_training.reference_quality import ReferenceQuality

SOURCES, REFERENCES = ["a", "b", "a"], ["the red house", "two cars", "a red house"]
QUALITY = ReferenceQuality(SOURCES, REFERENCES)


@pytest.mark.parametrize(
    ("measure", "metric"), [("chrf1", CHRF(beta=1)), ("chrf2", CHRF()), ("bleu", BLEU(effective_order=True))]
)
def test_it_is_sacrebleus_over_one_hundred(measure: QualityName, metric: CHRF | BLEU) -> None:
    hypotheses = ["the red houses", "two dogs", ""]
    scores = ReferenceQuality(SOURCES, REFERENCES, measure)(["a", "b", "b"], hypotheses)
    expected = [
        metric.sentence_score(hypothesis, references).score / 100
        for hypothesis, references in zip(
            hypotheses, (["the red house", "a red house"], ["two cars"], ["two cars"]), strict=True
        )
    ]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_a_word_too_many_costs_what_one_too_few_does() -> None:
    """But by chrF that weighs recall twice."""
    short, long = "the red house stands", "the red house stands there now"
    costs = {}
    for measure in get_args(QualityName):
        # One text is the reference of the other, so that what one lacks the other has too much.
        quality = ReferenceQuality(["x", "y"], [long, short], measure)
        too_short, too_long = quality(["x", "y"], [short, long]).tolist()
        costs[measure] = too_long - too_short
    assert abs(costs["chrf1"]) < 1e-6
    assert costs["chrf2"] > 0.05
    ter = ReferenceQuality(["x"], [short], "ter")
    assert ter(["x"], ["the red house"])[0] == pytest.approx(math.exp(-0.25)) == ter(["x"], [f"{short} there"])[0]


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no measure of quality 'rouge'; choose one of chrf1, chrf2"):
        ReferenceQuality([], [], "rouge")  # type: ignore[arg-type]


def test_every_reference_of_a_source_is_faultless() -> None:
    np.testing.assert_allclose(QUALITY(["a", "a", "b"], ["the red house", "a red house", "two cars"]), 1)
    assert QUALITY(["b"], ["a red house"])[0] < 0.5


def test_the_same_pair_has_the_same_quality_wherever_it_stands() -> None:
    first, _, second = QUALITY(["a", "b", "a"], ["red", "cars", "red"])
    assert first == second


def test_a_source_without_reference_is_refused() -> None:
    with pytest.raises(KeyError, match="c"):
        QUALITY(["c"], ["text"])
