"""What is particular to one algorithm and not in the pure functions of its loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from agents import GOLD, GOLDConfig, Seq2SeqPolicy, TrainingConfig
from agents.policy.teacher_forcing import Evaluation
from buffers import Slice, TokenBatch


def test_gold_asks_the_supervised_model_once_for_each_distinct_pair(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = GOLD(policy)
    asked: list[int] = []
    original = agent.prior.evaluate

    def counted(batch: TokenBatch) -> Evaluation:
        asked.extend(batch.row.tolist())
        return original(batch)

    monkeypatch.setattr(agent.prior, "evaluate", counted)
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
        log_prob = policy.evaluate(batch).log_prob
    for config, term in (
        (GOLDConfig(k=1, u=0.3, p_min=0.2, baseline=-4.0), log_prob.clamp(min=math.log(0.2)) + 4),
        (GOLDConfig(reward="probability", k=1, u=0.3, p_min=0.2), log_prob.exp().clamp(min=0.2)),
        (GOLDConfig(reward="sequence", u=0.3, baseline=0.25), batch.reward[:, None] - 0.25),
    ):
        expected = -(log_prob.exp().clamp(min=0.3) * term * log_prob)[mask].mean()
        assert GOLD(policy, config).loss(batch).loss.item() == pytest.approx(expected.item(), abs=1e-5)
