from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agents import BC, Agent, RewardConditioned, RewardConditionedConfig, Seq2SeqPolicy, TrainingConfig
from buffers import Slice


def test_the_loss_is_the_likelihood_after_the_rewards_token(policy: Seq2SeqPolicy, grown: Slice) -> None:
    (batch, *_) = grown.batches(10_000, seed=0)
    batch = replace(batch, reward=torch.arange(len(batch)) / len(batch))
    plain = BC(policy.clone()).loss(batch).loss.item()
    agent = RewardConditioned(policy, RewardConditionedConfig(buckets=2))
    with torch.no_grad():
        embedding: Any = agent.policy.model.get_parameter("model.shared.weight")
        assert embedding.shape[0] == 19 + 2
        embedding[19:] = embedding[18]  # the start token: then all buckets are the policy as it was
        assert agent.loss(batch).loss.item() == pytest.approx(plain, abs=1e-5)
        embedding[19] += 1.0  # of the lower half, which the other half does not see
        high = batch.rows(torch.nonzero(batch.reward >= 0.5)[:, 0])
        low = batch.rows(torch.nonzero(batch.reward < 0.5)[:, 0])
        assert agent.loss(high).loss.item() == pytest.approx(BC(agent.policy).loss(high).loss.item(), abs=1e-5)
        assert agent.loss(low).loss.item() != pytest.approx(BC(agent.policy).loss(low).loss.item(), abs=1e-3)
    assert agent.loss(high).best_share.item() == 1.0


def test_a_saved_policy_translates_given_the_best_reward(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, tmp_path: Path
) -> None:
    agent = RewardConditioned(policy, RewardConditionedConfig(buckets=3))
    agent.improve(grown, quick)
    agent.save(tmp_path)
    alone, loaded = Seq2SeqPolicy.load(tmp_path), Agent.load(tmp_path)
    assert alone.start == loaded.policy.start == (19 + 2,)
    assert alone.translate(["rot haus"]) == loaded.translate(["rot haus"]) == agent.translate(["rot haus"])
    with pytest.raises(ValueError, match="the policy has 3 tokens of the reward, not 4; give the option buckets 3"):
        RewardConditioned(alone, RewardConditionedConfig(buckets=4))
