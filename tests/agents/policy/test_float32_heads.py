"""What is regressed keeps float32's precision where the network computes in bfloat16."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from agents import ILQL, QBVE, ILQLConfig, QBVEConfig, Seq2SeqPolicy, ValueNetwork
from agents.off_policy.fitted_q import QNetwork
from buffers import Slice, TokenBatch
from seq2seq_env.tasks.task import Task
from tests.tiny_models import random_policy

REWARD = 0.9001  # bfloat16's nearest are 0.8984 and 0.9023


@pytest.fixture
def batch(grown: Slice) -> TokenBatch:
    first = next(iter(grown.batches(100, seed=0)))
    return replace(first, reward=torch.full_like(first.reward, REWARD))


def in_bf16() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def test_values_are_not_rounded(policy: Seq2SeqPolicy, batch: TokenBatch) -> None:
    value, q = ValueNetwork.from_policy(policy), QNetwork.from_policy(policy, REWARD)
    value.start_at(REWARD)
    with in_bf16(), torch.no_grad():
        said = [value(batch)[batch.target_mask], q(batch)]
    for values in said:
        torch.testing.assert_close(values, torch.full_like(values, REWARD, dtype=torch.float32), rtol=0, atol=1e-7)


def test_ilql_regresses_unrounded_values(policy: Seq2SeqPolicy, batch: TokenBatch) -> None:
    agent = ILQL(policy, ILQLConfig(value_tokens=0))
    agent.value.start_at(REWARD)
    with torch.no_grad():
        agent.policy.model.get_parameter("lm_head.scores.bias").fill_(REWARD)
    with in_bf16():
        values = agent.loss(batch)
    assert values.q_loss.item() == values.value_loss.item() == 0.0


def test_q_bve_regresses_unrounded_logits(policy: Seq2SeqPolicy, batch: TokenBatch) -> None:
    model: Any = policy.model
    bias = 100 + 0.01 * torch.arange(model.config.vocab_size)  # where bfloat16's steps are 0.5
    norm = model.model.decoder.layers[-1].final_layer_norm
    with torch.no_grad():
        model.final_logits_bias[0] = bias
        norm.weight.zero_()
        norm.bias.zero_()
    with in_bf16():
        found = QBVE(policy, QBVEConfig(q_temperature=1.0, ranking_weight=0.0)).loss(batch).value_loss.item()
    assert found == pytest.approx(np.var(bias[batch.target[batch.target_mask]].double().numpy()), rel=1e-3)


@pytest.mark.parametrize("name", ["marian", "bart", "t5"])
def test_an_lm_head_in_float32_is_the_same_head(
    name: str, policy: Seq2SeqPolicy, tiny_task: Task, batch: TokenBatch
) -> None:
    other = policy if name == "marian" else random_policy(name, tiny_task.tokenizer)
    with torch.no_grad():
        with in_bf16():
            low, high = other.evaluate(batch).logits, other.evaluate(batch).float32_logits
        assert high.dtype == torch.float32
        assert (high.bfloat16() == high).float().mean() < 0.1
        torch.testing.assert_close(high, low.float(), rtol=0.02, atol=0.02)
        assert torch.equal(other.evaluate(batch).float32_logits, other.evaluate(batch).logits)
