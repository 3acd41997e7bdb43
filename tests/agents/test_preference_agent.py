"""What losses of pairs have in common: the log-ratio to the policy that they started from."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from agents import LossAgent, Seq2SeqPolicy, make_agent
from buffers import Slice
from seq2seq_env.tasks import Task
from tests.tiny_models import tiny_policy_config


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dpo", {"preference_loss": math.log(2)}),
        ("ipo", {"loss": 25.0, "difference": 0.0}),  # 1 / (2 tau), squared
        ("kto", {"loss": 0.5, "divergence": 0.0}),
    ],
)
def test_a_policy_that_has_not_moved_is_its_prior_whatever_its_dropout(
    tiny_task: Task, grown: Slice, name: str, values: dict[str, float]
) -> None:
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, tiny_policy_config(dropout=0.3), seed=3)
    agent = make_agent(name, policy)
    assert isinstance(agent, LossAgent)
    policy.model.train()
    (batch, *_) = agent.batches(grown, 64, 0)
    loss: Any = agent.loss(batch)
    assert {key: getattr(loss, key).item() for key in values} == pytest.approx(values, abs=1e-4)
    assert policy.model.training
    if name != "kto":  # at z, which counts sources whose ratio is not 0 alone, its gradient may be 0
        loss.loss.backward()
        assert any(bool(each.grad.any()) for each in policy.model.parameters() if each.grad is not None)
    assert torch.is_grad_enabled()
