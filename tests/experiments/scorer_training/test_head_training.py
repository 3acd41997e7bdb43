"""The estimator's loss and its fit."""

from __future__ import annotations

import math

import pytest
import torch

from experiments.scorer_training.head_training import CROSS_ENTROPY, estimator_loss


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
