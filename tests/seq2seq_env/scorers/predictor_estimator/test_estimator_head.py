"""The network on the features of a pair."""

from __future__ import annotations

from pathlib import Path

import torch

from seq2seq_env.scorers.predictor_estimator.estimator_head import PAIR_FEATURES, EstimatorHead, features
from seq2seq_env.scorers.predictor_estimator.predictor import Predictor
from seq2seq_env.scorers.predictor_estimator.pseudo_references import PseudoReferences

SOURCES = ["zwei rot haus", "eins", "drei blau hund", "zwei rot haus"]
HYPOTHESES = ["two red house", "three three three", "", "two red house"]


def test_head_sees_no_padding(folder: Path) -> None:
    models = Predictor(folder / "forward"), Predictor(folder / "backward")
    pairs = features(*models, PseudoReferences(*models), SOURCES, HYPOTHESES, 512)
    head = EstimatorHead(width=8).eval()
    head.standardise(pairs)
    alone = torch.cat([head([pair]) for pair in pairs])
    torch.testing.assert_close(head(pairs), alone)


def test_numbers_of_a_pair_are_standardised(folder: Path) -> None:
    models = Predictor(folder / "forward"), Predictor(folder / "backward")
    pairs = features(*models, PseudoReferences(*models), SOURCES[:3], HYPOTHESES[:3], 512)
    numbers = torch.stack([pair.numbers() for pair in pairs])
    assert numbers.shape == (3, PAIR_FEATURES)
    head = EstimatorHead(width=8)
    head.standardise(pairs)
    scaled = (numbers - head.mean) / head.spread
    torch.testing.assert_close(scaled.mean(0), torch.zeros(PAIR_FEATURES), atol=1e-4, rtol=0)
    varying = numbers.std(0) > 1e-6
    torch.testing.assert_close(scaled.std(0)[varying], torch.ones(int(varying.sum())), atol=1e-4, rtol=0)
