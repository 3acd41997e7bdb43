from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy
from agents.policy.action_values import ActionHead, with_action_head
from seq2seq_env.tasks.task import Task


def test_an_action_head_starts_as_the_policy(trained: Seq2SeqPolicy, tiny_task: Task, tmp_path: Path) -> None:
    sources = tiny_task.split("train").sources[:4]
    targets = [[9, 10, 0], [11, 0], [12, 13, 14, 0], [12, 0]]
    before = trained.log_probs(trained.encode(sources), targets)
    translations = trained.translate(sources)
    trained.model = with_action_head(trained.model, 1.0, None)
    for found, expected in zip(trained.log_probs(trained.encode(sources), targets), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert trained.translate(sources) == translations
    trained.save(tmp_path / "policy")
    loaded = Seq2SeqPolicy.load(tmp_path / "policy")
    assert loaded.fingerprint == trained.fingerprint
    assert (
        loaded.sample(loaded.encode(sources), 2, 0.8, 1).texts
        == trained.sample(trained.encode(sources), 2, 0.8, 1).texts
    )


def test_two_heads_by_hand(trained: Seq2SeqPolicy) -> None:
    model = with_action_head(trained.model, 0.5, 0.3)
    head = model.lm_head
    assert isinstance(head, ActionHead)
    assert head.imitator is not None
    with torch.no_grad():
        for layer, values in ((head.imitator, [0.6, 0.2, 0.15, 0.05]), (head.scores, [0.1, 0.9, 0.4, 0.2])):
            layer.weight.zero_()
            layer.bias.fill_(math.log(1e-9) if layer is head.imitator else 0.0)
            layer.bias[:4] = torch.tensor([math.log(v) for v in values] if layer is head.imitator else values)
        logits = head(torch.zeros(1, model.config.d_model))[0]
    assert logits[:2].tolist() == pytest.approx([0.2, 1.8])  # 0.2 / 0.6 is above 0.3, 0.15 / 0.6 is not
    assert (logits[2:] < -1000).all()
    shifted = with_action_head(model, 1.0, None, 4.0)
    shifted.lm_head.load_state_dict(head.state_dict())
    with torch.no_grad():
        logits = shifted.lm_head(torch.zeros(1, model.config.d_model))[0, :4]
    expected = [math.log(0.6) + 0.4, math.log(0.2) + 3.6, math.log(0.15) + 1.6, math.log(0.05) + 0.8]
    assert logits.tolist() == pytest.approx(expected, abs=1e-5)
