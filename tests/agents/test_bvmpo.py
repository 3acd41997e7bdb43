from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from agents import BVMPO, BVMPOConfig, Seq2SeqPolicy, TrainingConfig
from agents.bvmpo import PositiveScalar
from buffers import Slice


def test_bvmpo_anneals_its_prior_exponentially(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = BVMPO(policy)
    batch = next(iter(grown.batches(100, seed=0)))
    weights = [agent.loss(batch, progress).prior_weight.item() for progress in (0.0, 0.4, 1.0)]
    assert weights == pytest.approx([1.0, 1e-2, 1e-5])
    values = agent.loss(batch, 1.0)
    total = values.policy_loss + values.value_loss + values.eta_loss + 1e-5 * values.prior_kl
    assert values.loss.item() == pytest.approx(total.item(), abs=1e-6)
    assert values.prior_kl.item() == pytest.approx(0.0, abs=1e-6)  # the policy has not moved


def test_the_temperature_takes_larger_steps_in_log_space() -> None:
    temperature = PositiveScalar(0.1, rate=10.0)
    assert temperature().item() == pytest.approx(0.1)
    with torch.no_grad():
        temperature.scaled.add_(0.01)
    assert temperature().item() == pytest.approx(0.1 * math.exp(0.1))


def test_bvmpo_learns_its_temperature(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = BVMPO(policy, BVMPOConfig(value_tokens=200))
    agent.improve(grown, quick)
    assert agent.temperature().item() != pytest.approx(0.1)


def test_the_trust_region_is_left_out_by_default(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = BVMPO(policy, BVMPOConfig(value_tokens=0))
    report = agent.improve(grown, quick)
    assert "multiplier" not in agent.networks
    assert {report.history[-1].metrics[name] for name in ("trust_region_loss", "trust_region_kl", "alpha")} == {0.0}


def test_the_trust_region_holds_the_policy_near_the_old_one(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    last = {}
    for epsilon, alpha in ((1e9, 1e-9), (1e-3, 1e3)):
        options = BVMPOConfig(
            value_tokens=0, epsilon_alpha=epsilon, alpha=alpha, eta_rate=1.0, old_policy_every=10_000, prior_first=1e-9,
            prior_last=1e-9,
        )  # fmt: skip
        last[epsilon] = BVMPO(policy.clone(), options).improve(grown, quick).history[-1].metrics
    assert last[1e-3]["trust_region_kl"] < 0.1 * last[1e9]["trust_region_kl"]


def test_a_policy_that_has_not_moved_is_in_the_trust_region(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    model: Any = policy.model.train()
    assert model.config.dropout > 0
    batch = next(iter(grown.batches(100, seed=0)))
    agent = BVMPO(policy, BVMPOConfig(value_tokens=0, epsilon_alpha=0.01))
    with agent.improving(grown, quick):
        values = agent.loss(batch)
    assert values.trust_region_kl.item() == pytest.approx(0.0, abs=1e-6)
    assert values.prior_kl.item() == pytest.approx(0.0, abs=1e-6)
    assert values.trust_region_loss.item() == pytest.approx(0.01, abs=1e-6)  # alpha (epsilon_alpha - 0), alpha 1
    assert model.training
    assert BVMPO(policy).loss(batch).prior_kl > 1e-4  # without a trust region the pass that trains has its dropout


def test_the_multiplier_rises_while_the_policy_leaves_the_trust_region(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    agent = BVMPO(policy, BVMPOConfig(value_tokens=0, epsilon_alpha=1e-6))
    agent.improve(grown, quick)
    assert agent.multiplier().item() > 1.0


def test_the_old_policy_is_renewed(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = BVMPO(policy, BVMPOConfig(value_tokens=0, epsilon_alpha=0.01, old_policy_every=1))
    batch = next(iter(grown.batches(100, seed=0)))
    with agent.improving(grown, quick):
        with torch.no_grad():
            policy.model.get_parameter("model.shared.weight").mul_(1.5)
        assert agent.loss(batch).trust_region_kl.item() > 1e-3
        agent.after_step()
        assert agent.loss(batch).trust_region_kl.item() == pytest.approx(0.0, abs=1e-6)
