from __future__ import annotations

import math

import pytest
import torch

from agents import BVMPO, BVMPOConfig, Seq2SeqPolicy, TrainingConfig
from agents.bvmpo import Temperature
from buffers import Slice


def test_bvmpo_anneals_its_prior_exponentially(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = BVMPO(policy)
    batch = next(iter(grown.batches(100, seed=0)))
    found = [agent.loss(batch, progress).prior_weight.item() for progress in (0.0, 0.4, 1.0)]
    assert found == pytest.approx([1.0, 1e-2, 1e-5])
    values = agent.loss(batch, 1.0)
    total = values.policy_loss + values.value_loss + values.eta_loss + 1e-5 * values.prior_kl
    assert values.loss.item() == pytest.approx(total.item(), abs=1e-6)
    assert values.prior_kl.item() == pytest.approx(0.0, abs=1e-6)  # the policy has not moved


def test_the_temperature_takes_larger_steps_in_log_space() -> None:
    temperature = Temperature(0.1, rate=10.0)
    assert temperature().item() == pytest.approx(0.1)
    with torch.no_grad():
        temperature.scaled.add_(0.01)
    assert temperature().item() == pytest.approx(0.1 * math.exp(0.1))


def test_bvmpo_learns_its_temperature(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = BVMPO(policy, BVMPOConfig(value_tokens=200))
    agent.improve(grown, quick)
    assert agent.temperature().item() != pytest.approx(0.1)
