"""What can be trained in parts; that it is trained so is in tests/distributed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from agents import BC, Seq2SeqPolicy, TrainingConfig, fit, make_agent
from agents.training.sharding import check_shardable
from buffers import Slice


def test_one_process_has_nobody_to_share_with(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    before = policy.fingerprint
    with pytest.raises(ValueError, match="there is one; start it by torchrun, or leave fsdp out"):
        fit(BC(policy), grown, replace(quick, fsdp=True))
    assert policy.fingerprint == before


def test_copies_that_follow_whole_weights_are_refused(policy: Seq2SeqPolicy) -> None:
    class Following(BC):
        @property
        def companions(self) -> dict[str, nn.Module]:
            return {"target": self.policy.model}

    check_shardable(BC(policy), 2)
    with pytest.raises(ValueError, match="fsdp cannot train what 'target' follows, a copy that takes whole weights"):
        check_shardable(Following(policy), 2)


def test_a_loss_of_more_or_fewer_passes_is_refused(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    with pytest.raises(ValueError, match="agent 'reward-conditioned' passes through its network as often as"):
        make_agent("reward-conditioned", policy).improve(grown, replace(quick, fsdp=True))


def test_layers_that_drop_out_are_refused(policy: Seq2SeqPolicy) -> None:
    policy.model.config.encoder_layerdrop = 0.1
    with pytest.raises(ValueError, match=r"encoder_layerdrop is 0\.1, so that processes would leave out different"):
        check_shardable(BC(policy), 2)


def test_layers_with_one_weight_are_refused(policy: Seq2SeqPolicy) -> None:
    model: Any = policy.model
    model.get_decoder().layers[0].fc1 = model.get_encoder().layers[0].fc1
    with pytest.raises(ValueError, match="layers of MarianMTModel share weights, which fsdp cannot part"):
        check_shardable(BC(policy), 2)


def test_an_old_pytorch_is_refused(policy: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed.fsdp", None)
    with pytest.raises(ValueError, match=r"fsdp needs PyTorch 2\.6 or newer, this is"):
        check_shardable(BC(policy), 2)
