"""What is particular to one algorithm and not in the pure functions of its loss."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import BVMPO, DPO, GOLD, OAC, BVMPOConfig, GOLDConfig, OACConfig, Seq2SeqPolicy, TrainingConfig
from agents.bvmpo import Temperature
from agents.dpo import best_and_worst
from buffers import Slice


def test_gold_asks_the_supervised_model_once_for_each_distinct_pair(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = GOLD(policy)
    asked: list[int] = []
    original = agent.prior.token_log_probs

    def counted(batch: object) -> torch.Tensor:
        asked.extend(batch.row.tolist())  # type: ignore[attr-defined]
        return original(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(agent.prior, "token_log_probs", counted)
    epochs = replace(quick, max_tokens=3 * grown.num_tokens, learning_rate=1e-3)
    agent.improve(grown, epochs)
    distinct = len(set(grown.firsts().tolist()))
    assert len(asked) == len(set(asked)) == distinct < len(grown)
    upper = grown.where(grown.rewards > 0.5)
    before = len(asked)
    agent.improve(upper, epochs)
    assert len(asked) == before


def test_what_gold_keeps_is_what_it_would_ask(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent, quick = GOLD(policy), replace(quick, precision="fp32")
    agent.improve(grown, replace(quick, max_tokens=3 * grown.num_tokens, learning_rate=1e-3))
    batch = next(iter(grown.batches(100, seed=5)))
    fresh = agent.q(batch)
    with agent.improving(grown, quick):
        torch.testing.assert_close(agent.q(batch), fresh, rtol=0, atol=1e-5)


def test_gold_by_hand(policy: Seq2SeqPolicy, grown: Slice) -> None:
    batch = next(iter(grown.batches(100, seed=0)))
    mask = batch.target_mask
    with torch.no_grad():
        log_prob = policy.token_log_probs(batch)
    for config, term in (
        (GOLDConfig(k=1, u=0.3, p_min=0.2, baseline=-4.0), log_prob.clamp(min=math.log(0.2)) + 4),
        (GOLDConfig(reward="probability", k=1, u=0.3, p_min=0.2), log_prob.exp().clamp(min=0.2)),
        (GOLDConfig(reward="sequence", u=0.3, baseline=0.25), batch.reward[:, None] - 0.25),
    ):
        expected = -(log_prob.exp().clamp(min=0.3) * term * log_prob)[mask].mean()
        assert GOLD(policy, config).loss(batch).loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_bvmpo_anneals_its_prior_exponentially(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = BVMPO(policy)
    batch = next(iter(grown.batches(100, seed=0)))
    found = [agent.loss(batch, progress).prior_weight.item() for progress in (0.0, 0.4, 1.0)]
    assert found == pytest.approx([1.0, 1e-2, 1e-5])
    values = agent.loss(batch, 1.0)
    total = values.policy_loss + values.value_loss + values.eta_loss + 1e-5 * values.prior_kl
    assert values.loss.item() == pytest.approx(total.item(), abs=1e-6)
    assert values.prior_kl.item() == pytest.approx(0.0, abs=1e-6)  # the policy has not moved


def test_ratios_are_one_where_the_policy_has_not_moved(trained: Seq2SeqPolicy, grown: Slice) -> None:
    # The batch was grown by this policy at temperature 2, which the ratio must use too.
    batch = next(iter(grown.batches(100, seed=0)))
    same = OAC(trained, OACConfig(behaviour_temperature=2.0, rho_bar=9.0)).loss(batch)
    plain = OAC(trained, OACConfig(importance_weight=False)).loss(batch)
    assert same.policy_loss.item() == pytest.approx(plain.policy_loss.item(), rel=1e-4)
    moved = OAC(trained, OACConfig(behaviour_temperature=0.8, rho_bar=9.0)).loss(batch)
    assert abs(moved.policy_loss.item() - plain.policy_loss.item()) > 1e-3


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


def test_best_and_worst_of_each_source() -> None:
    source = np.array([4, 4, 4, 7, 7, 9])
    reward = np.array([0.5, 0.9, 0.1, 0.3, 0.31, 0.8], dtype=np.float32)
    assert best_and_worst(source, reward, 0.05).tolist() == [[1, 2]]
    assert best_and_worst(source, reward, 0.0).tolist() == [[1, 2], [4, 3]]
    ties = np.array([0.5, 0.5, 0.2, 0.2], dtype=np.float32)
    assert best_and_worst(np.zeros(4, dtype=np.int64), ties, 0.0).tolist() == [[0, 2]]


def test_dpo_batches_are_pairs_of_one_source(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = DPO(policy)
    rewards: dict[int, list[float]] = {}
    for source, reward in zip(grown.source_index.tolist(), grown.rewards.tolist(), strict=True):
        rewards.setdefault(source, []).append(reward)
    seen = []
    for batch in agent.batches(grown, 64, 0):
        assert len(batch) % 2 == 0
        assert batch.target.numel() <= 64 or len(batch) == 2
        sources = grown.source_index[np.searchsorted(grown.rows, batch.row.numpy())]
        assert sources[0::2].tolist() == sources[1::2].tolist()
        seen += sources[0::2].tolist()
        for source, best, worst in zip(sources[0::2].tolist(), batch.reward[0::2], batch.reward[1::2], strict=True):
            assert (best, worst) == (pytest.approx(max(rewards[source])), pytest.approx(min(rewards[source])))
    wide = [source for source, found in rewards.items() if max(found) - min(found) > 0.05]
    assert sorted(seen) == sorted(wide)


def test_dpo_without_pairs_says_so(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    with pytest.raises(ValueError, match=r"no source of .* has two candidates whose rewards differ by more than"):
        DPO(policy).improve(grown.where(grown.is_reference), quick)
