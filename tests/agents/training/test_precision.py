from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from agents import BC, Seq2SeqPolicy, TrainingConfig, fit
from agents.training import precision
from agents.training.precision import use_bf16
from buffers import Slice

CPU = torch.device("cpu")


NARROW, WIDE = [nn.Linear(128, 512)], [nn.Linear(128, 512), nn.Linear(256, 512)]


def test_bf16_falls_back_where_there_are_no_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert not use_bf16("auto", WIDE, CPU)
    with pytest.warns(RuntimeWarning, match="cpu has no bfloat16 instructions; training in float32"):
        assert not use_bf16("bf16", WIDE, CPU)


def test_bf16_is_taken_where_there_are_and_a_network_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    assert use_bf16("auto", WIDE, CPU)
    assert not use_bf16("auto", NARROW, CPU)
    assert use_bf16("bf16", NARROW, CPU)
    assert not use_bf16("fp32", WIDE, CPU)


def test_bf16_trains(
    policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = policy.clone()
    fit(BC(other), pairs, replace(quick, precision="fp32"))
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)  # emulated here, and slow
    report = fit(BC(policy), pairs, replace(quick, precision="bf16"))
    losses = [row.loss for row in report.history if row.loss is not None]
    assert losses[-1] < losses[0]
    assert policy.fingerprint != other.fingerprint
    assert {p.dtype for p in policy.model.parameters()} == {torch.float32}
