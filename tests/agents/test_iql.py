from __future__ import annotations

import copy

import pytest
import torch

from agents import IQL, IQLConfig, Seq2SeqPolicy, TrainingConfig
from buffers import Slice


def test_the_target_network_follows_the_value_network_by_polyak_averaging(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    agent = IQL(policy, IQLConfig(value_tokens=0, target_rate=0.25))
    batch = next(iter(grown.batches(100, seed=0)))
    with agent.improving(grown, quick):
        first = agent.value.head.bias.item()
        with torch.no_grad():
            agent.value.head.bias.add_(1.0)
        # Targets are those of the first value network but at the last tokens, whose target is the reward.
        mask = batch.target_mask
        for expected in (0.0, 0.25, 0.4375):  # 0.25, and 0.75 * 0.25 + 0.25
            advantage = agent.loss(batch).advantage.item()
            shifted = copy.deepcopy(agent.value)
            with torch.no_grad():
                shifted.head.bias.fill_(first + expected)
                q = shifted(batch)
            last = mask & ~torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
            target = torch.where(last, batch.reward[:, None], q.roll(-1, dims=1))
            with torch.no_grad():
                assert advantage == pytest.approx((target - agent.value(batch))[mask].mean().item(), abs=1e-5)
            agent.after_step()


def test_rate_1_is_no_target_network(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = IQL(policy, IQLConfig(value_tokens=0, target_rate=1.0))
    batch = next(iter(grown.batches(100, seed=0)))
    with agent.improving(grown, quick):
        with torch.no_grad():
            agent.value.head.bias.add_(1.0)
        inside = agent.loss(batch).advantage.item()
    assert agent.loss(batch).advantage.item() == inside
    with pytest.raises(ValueError, match="target_rate is 0; give a share above 0"):
        IQLConfig(target_rate=0)


def test_the_target_network_starts_each_improve_step_anew(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    agent = IQL(policy, IQLConfig(value_tokens=0, target_rate=0.5))
    agent.improve(grown, quick)
    batch = next(iter(grown.batches(100, seed=0)))
    outside = agent.loss(batch).advantage.item()
    with agent.improving(grown, quick):
        assert agent.loss(batch).advantage.item() == pytest.approx(outside, abs=1e-6)
