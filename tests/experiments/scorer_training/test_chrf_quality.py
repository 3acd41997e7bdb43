"""Sentence chrF as the quality of a hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics.chrf import CHRF

from experiments.scorer_training.chrf_quality import ChrfQuality

QUALITY = ChrfQuality(["a", "b", "a"], ["the red house", "two cars", "a red house"])


def test_it_is_sacrebleus_over_one_hundred() -> None:
    hypotheses = ["the red houses", "two dogs", ""]
    scores = QUALITY(["a", "b", "b"], hypotheses)
    expected = [
        CHRF().sentence_score(hypothesis, references).score / 100
        for hypothesis, references in zip(
            hypotheses, (["the red house", "a red house"], ["two cars"], ["two cars"]), strict=True
        )
    ]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_every_reference_of_a_source_is_faultless() -> None:
    np.testing.assert_allclose(QUALITY(["a", "a", "b"], ["the red house", "a red house", "two cars"]), 1)
    assert QUALITY(["b"], ["a red house"])[0] < 0.5


def test_the_same_pair_has_the_same_quality_wherever_it_stands() -> None:
    first, _, second = QUALITY(["a", "b", "a"], ["red", "cars", "red"])
    assert first == second


def test_a_source_without_reference_is_refused() -> None:
    with pytest.raises(KeyError, match="c"):
        QUALITY(["c"], ["text"])
