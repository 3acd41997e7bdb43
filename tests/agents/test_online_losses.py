"""Losses of the online agents against numbers made by hand from the same log-probabilities, padding included."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import GRPO, MAD, PPO, RLOO, GRPOConfig, MADConfig, PPOConfig, RLOOConfig, Seq2SeqPolicy
from agents.group_agent import candidates_of_sources
from agents.online_agent import check_one_temperature, rollout_log_prob
from buffers import Slice, TokenBatch
from tests.agents.test_agent import scored_batch

SOURCES = [[2, 3, 0], [2, 3, 0], [5, 6, 0], [5, 6, 0]]
TARGETS = [[9, 10, 0], [11, 0], [12, 13, 14, 0], [12, 0]]
REWARDS = [0.9, 0.2, 0.6, 0.5]


def log_probs(policy: Seq2SeqPolicy) -> list[list[float]]:
    """At the batch's temperature of 0.8."""
    return [row.tolist() for row in policy.log_probs(SOURCES, TARGETS, 0.8)]


@pytest.fixture
def moved(policy: Seq2SeqPolicy) -> Seq2SeqPolicy:
    """The policy after a step away from the prior, with dropout in its configuration."""
    other = policy.clone()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.05)
    return other


def clipped(ratio: float, advantage: float, epsilon: float) -> float:
    return -min(ratio * advantage, min(max(ratio, 1 - epsilon), 1 + epsilon) * advantage)


def test_rloo(policy: Seq2SeqPolicy, moved: Seq2SeqPolicy) -> None:
    agent = RLOO(policy.clone(), RLOOConfig(beta=0.1))
    agent.policy = moved
    prior, now = log_probs(policy), log_probs(moved)
    penalty = [-1.5 * len(row) - sum(row) for row in prior]
    penalised = [reward - 0.1 * each for reward, each in zip(REWARDS, penalty, strict=True)]
    advantage = [penalised[i] - penalised[other] for i, other in enumerate((1, 0, 3, 2))]
    values = agent.loss(scored_batch(2))
    expected = -sum(a * sum(row) for a, row in zip(advantage, now, strict=True)) / 11
    assert values.loss.item() == pytest.approx(expected, abs=1e-5)
    assert values.prior_kl.item() == pytest.approx(np.mean(penalty), abs=1e-5)
    assert values.reward.item() == pytest.approx(0.55)
    assert values.advantage.item() == pytest.approx(np.mean(np.abs(advantage)), abs=1e-5)


def test_grpo(policy: Seq2SeqPolicy, moved: Seq2SeqPolicy) -> None:
    agent = GRPO(policy.clone(), GRPOConfig(beta=0.3, epsilon=0.1))
    agent.policy = moved
    prior, now, means, divergences = log_probs(policy), log_probs(moved), [], []
    for advantage, written, known in zip((1, -1, 1, -1), now, prior, strict=True):
        terms = []
        for log_pi, log_prior in zip(written, known, strict=True):
            divergence = math.exp(log_prior - log_pi) - (log_prior - log_pi) - 1
            divergences.append(divergence)
            terms.append(clipped(math.exp(log_pi + 1.5), advantage, 0.1) + 0.3 * divergence)
        means.append(np.mean(terms))
    values = agent.loss(scored_batch(2))
    assert values.loss.item() == pytest.approx(np.mean(means), abs=1e-5)
    assert values.prior_kl.item() == pytest.approx(np.mean(divergences), abs=1e-5)
    outside = [abs(math.exp(log_pi + 1.5) - 1) > 0.1 for row in now for log_pi in row]
    assert values.clipped.item() == pytest.approx(np.mean(outside))


@pytest.mark.parametrize("ratio", [True, False])
def test_mad(policy: Seq2SeqPolicy, moved: Seq2SeqPolicy, ratio: bool) -> None:
    batch = scored_batch(2)
    batch.log_prob[0, :3] = -2.9
    agent = MAD(moved, MADConfig(importance_weight=ratio, max_weight=0.3))
    mu = [-8.7, -3.0, -6.0, -3.0]
    now, expected, weights = log_probs(moved), 0.0, []
    for advantage, row, log_mu in zip((1, -1, 1, -1), now, mu, strict=True):
        # of two candidates both deviate by the mean deviation
        damped = math.exp(-1) * (math.exp(sum(row) - log_mu) if ratio else 1)
        weights.append(min(damped, 0.3))
        expected -= weights[-1] * advantage * sum(row) / 11
    values = agent.loss(batch)
    assert values.loss.item() == pytest.approx(expected, rel=1e-4)
    assert values.weight.item() == pytest.approx(np.mean(weights), rel=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_ppo(policy: Seq2SeqPolicy, moved: Seq2SeqPolicy, whiten: bool) -> None:
    agent = PPO(policy.clone(), PPOConfig(beta=0.1, gae_lambda=0.9, epsilon=0.1, whiten=whiten))
    agent.policy = moved
    with torch.no_grad():
        agent.value.head.weight.normal_(std=0.2, generator=torch.Generator().manual_seed(0))
    batch = scored_batch(2)
    prior, now, values = log_probs(policy), log_probs(moved), agent.value(batch).tolist()
    advantages: list[list[float]] = []
    for row, reward, value in zip(prior, REWARDS, values, strict=True):
        rewards = [-0.1 * (-1.5 - log_prior) for log_prior in row]
        rewards[-1] += reward
        known, following, advantage = [*value[: len(row)], 0.0], 0.0, list[float]()
        for t in reversed(range(len(row))):
            following = rewards[t] + known[t + 1] - known[t] + 0.9 * following
            advantage.insert(0, following)
        advantages.append(advantage)
    flat = np.concatenate(advantages)
    scaled = [(np.array(row) - flat.mean()) / flat.std() if whiten else row for row in advantages]
    surrogate = [
        clipped(math.exp(log_pi + 1.5), float(advantage), 0.1)
        for row, weights in zip(now, scaled, strict=True)
        for log_pi, advantage in zip(row, weights, strict=True)
    ]
    result = agent.loss(batch)
    assert result.policy_loss.item() == pytest.approx(np.mean(surrogate), abs=1e-5)
    # The value's target is A + V, so that its error is the advantage.
    assert result.value_loss.item() == pytest.approx(np.mean(flat**2), abs=1e-5)
    assert result.loss.item() == pytest.approx(np.mean(surrogate) + np.mean(flat**2), abs=1e-5)
    targets = [a + value[t] for row, value in zip(advantages, values, strict=True) for t, a in enumerate(row)]
    assert result.explained_variance.item() == pytest.approx(1 - flat.var() / np.var(targets), abs=1e-4)
    assert result.prior_kl.item() == pytest.approx(np.mean([-1.5 * len(row) - sum(row) for row in prior]), abs=1e-5)


def test_the_ratio_is_one_where_the_policy_has_not_moved(policy: Seq2SeqPolicy) -> None:
    """Though the network is in training mode, and has dropout."""
    batch = scored_batch()
    rows = policy.log_probs(SOURCES, TARGETS, 0.8)
    for i, row in enumerate(rows):
        batch.log_prob[i, : len(row)] = torch.from_numpy(row)
    for agent in (PPO(policy, PPOConfig(epsilon=1e-3)), GRPO(policy, GRPOConfig(epsilon=1e-3))):
        policy.model.train(True)
        assert agent.loss(batch).clipped.item() == 0
        assert policy.model.training


def test_under_bfloat16_the_ratio_is_one_but_for_rounding(policy: Seq2SeqPolicy) -> None:
    batch = scored_batch()
    for i, row in enumerate(policy.log_probs(SOURCES, TARGETS, 0.8)):
        batch.log_prob[i, : len(row)] = torch.from_numpy(row)
    off = {}
    for bf16 in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            off[bf16] = float((rollout_log_prob(policy, batch) - batch.log_prob)[batch.target_mask].abs().max())
    assert off[False] < 1e-5 < off[True] < 0.1


def test_the_kl_penalty_is_steered_towards_its_target(policy: Seq2SeqPolicy) -> None:
    # the prior finds the samples likelier than mu did where log mu is low: the divergence is below 0, and below target
    batch = scored_batch()
    agent = PPO(policy, PPOConfig(beta=0.5, kl_target=2.0))
    far = replace(batch, log_prob=torch.where(batch.target_mask, -0.01, 0.0))
    assert agent.loss(far).prior_kl.item() > 4
    agent.after_step()
    assert agent.loss(far).beta.item() == pytest.approx(0.5 * 1.02)
    near = replace(batch, log_prob=torch.where(batch.target_mask, -9.0, 0.0))
    agent.loss(near)
    agent.after_step()
    agent.after_step()
    assert agent.loss(near).beta.item() == pytest.approx(0.5 * 1.02 * 0.98**2)
    fixed = PPO(policy, PPOConfig(beta=0.5))
    fixed.loss(far)
    fixed.after_step()
    assert fixed.loss(far).beta.item() == pytest.approx(0.5)


def test_a_kl_target_of_0_is_refused() -> None:
    with pytest.raises(ValueError, match="kl_target is 0, and only the prior itself is so near the prior; give nats"):
        PPOConfig(kl_target=0)
    with pytest.raises(ValueError, match="kl_target steers beta, which is 0 and stays 0; give a beta above 0"):
        PPOConfig(beta=0.0, kl_target=1.0)


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epsilon": 0.0}, {"beta": -1.0}, {"gae_lambda": 1.5}])
def test_values_out_of_range_are_refused(options: dict[str, float]) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} is"):
        PPOConfig(**options)  # type: ignore[arg-type]


def test_sources_have_as_many_candidates_each(grown: Slice) -> None:
    positions = candidates_of_sources("rloo", grown)
    assert positions.shape == (24, 5)
    assert all(len(set(grown.source_index[row])) == 1 for row in positions)
    odd = grown.where(np.arange(len(grown)) > 0)
    with pytest.raises(ValueError, match="agent 'rloo' compares a source's candidates, and the sources have 4 to 5"):
        candidates_of_sources("rloo", odd)
    with pytest.raises(ValueError, match="the sources have 1 to 1 of them; give each source as many, at least 2"):
        candidates_of_sources("rloo", grown.where(grown.is_reference))


def test_samples_of_one_known_temperature_are_asked_for() -> None:
    batch = scored_batch()
    check_one_temperature("ppo", batch)
    mixed: TokenBatch = replace(batch, temperature=torch.tensor([0.8, 0.8, 1.0, 0.8]))
    with pytest.raises(ValueError, match="agent 'ppo' trains the policy as it was sampled, and a batch records"):
        check_one_temperature("ppo", mixed)
    with pytest.raises(ValueError, match="nan"):
        check_one_temperature("ppo", replace(batch, temperature=torch.full((4,), torch.nan)))
