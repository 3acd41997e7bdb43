"""The estimator's loss, and the training of its head."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from experiments.scorer_training.estimator_config import HeadConfig
from experiments.scorer_training.head_training import CROSS_ENTROPY, estimator_loss, train_head
from seq2seq_env.scorers.predictor_estimator import predictor, pseudo_references
from seq2seq_env.scorers.predictor_estimator.estimator_head import Features


def features_of(quality: float, random: np.random.Generator) -> Features:
    """Features that tell the quality, with some noise."""

    def noisy(*shape: int) -> torch.Tensor:
        return torch.from_numpy(quality + 0.05 * random.standard_normal(shape)).float()

    return Features(
        noisy(4, predictor.TOKEN_FEATURES),
        noisy(5, predictor.TOKEN_FEATURES),
        noisy(pseudo_references.AGREEMENT_FEATURES),
    )


def test_estimators_loss_is_of_the_order_and_of_the_scores() -> None:
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    logits = torch.tensor([1.0, 0.0, 0.0, 2.0])
    # One pair has an order, log(1 + e^-1). Cross-entropies: the same, log 2 twice, (log(1 + e^-2) + log(1 + e^2)) / 2.
    order = math.log1p(math.exp(-1))
    entropy = (order + 2 * math.log(2) + (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2) / 4
    assert float(estimator_loss(logits, [first, second])) == pytest.approx(order + CROSS_ENTROPY * entropy, abs=1e-6)
    # Where nothing has an order, the scores alone count.
    assert float(estimator_loss(logits[2:], [second])) == pytest.approx(
        CROSS_ENTROPY * (math.log(2) + (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2) / 2, abs=1e-6
    )


def test_a_head_learns_the_order_of_hypotheses_and_a_seed_repeats() -> None:
    random = np.random.default_rng(0)
    labels = [torch.tensor([0.1, 0.5, 0.9]) for _ in range(60)]
    read = [[features_of(float(label), random) for label in each] for each in labels]
    config = HeadConfig(width=8, epochs=4, learning_rate=1e-2, dropout=0.0)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    head = train_head(config, read, labels, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert not head.training
    fresh = [features_of(quality, random) for quality in (0.1, 0.5, 0.9)]
    low, middle, high = head(fresh).tolist()
    assert low < middle < high
    again = train_head(config, read, labels, seed=3)
    torch.testing.assert_close(again(fresh), head(fresh))


def test_a_head_of_one_hypothesis_a_source_is_the_one_of_least_loss() -> None:
    """Nothing has an order there, and the first pass would be as good as any."""
    random = np.random.default_rng(0)
    labels = [torch.tensor([quality]) for quality in (0.0, 1.0) for _ in range(60)]
    read = [[features_of(float(label), random) for label in each] for each in labels]

    def loss(epochs: int) -> float:
        head = train_head(HeadConfig(width=8, epochs=epochs, learning_rate=3e-3, dropout=0.0), read, labels, seed=3)
        with torch.inference_mode():
            return float(estimator_loss(head([pair for pairs in read for pair in pairs]), labels))

    assert loss(12) < 0.5 * loss(1)
