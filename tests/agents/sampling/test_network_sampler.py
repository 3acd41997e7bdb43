from __future__ import annotations

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy, make_sampler, sampler_kl
from agents.policy import generation
from agents.sampling.network_sampler import NetworkSampler
from seq2seq_env.models import low_precision
from seq2seq_env.models.low_precision_names import Arithmetic
from seq2seq_env.tasks.task import Task
from tests.tiny_models import random_policy

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]


def test_static_buffers_give_the_policys_tokens(trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generation.ROWS, "cpu", 4)  # two batches, the second in the first one's buffers
    encoded = trained.encode(SOURCES)
    static = make_sampler(trained, "static")
    assert static.engine == "transformers static"
    expected = trained.sample(encoded, 4, 0.9, seed=5)
    for sources in (encoded, encoded):
        samples = static.sample(sources, 4, 0.9, seed=5)
        np.testing.assert_array_equal(samples.tokens, expected.tokens)
        np.testing.assert_allclose(samples.log_prob, expected.log_prob, rtol=0, atol=1e-5)
    assert len(static.sample(encoded[:1], 1, 0.9, seed=5).texts) == 1


@pytest.mark.parametrize("name", ["int8", "bfloat16"])
def test_another_arithmetic_gives_its_own_probabilities(
    trained: Seq2SeqPolicy, name: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: True)  # emulated here
    sampler = make_sampler(trained, "transformers", name)
    assert sampler.engine == f"transformers {name}"
    moved = sampler_kl(sampler, trained, SOURCES * 50, 1.0, seed=0)
    assert 1e-7 < abs(moved.kl) < 0.05


def test_an_arithmetic_that_the_device_lacks_is_float32(
    trained: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_precision, "has_bf16", lambda device: False)
    with pytest.warns(RuntimeWarning, match="cpu has no bfloat16 instructions; computing in float32"):
        assert make_sampler(trained, "transformers", "bfloat16") is trained


def test_weights_that_have_changed_are_refused(policy: Seq2SeqPolicy) -> None:
    sampler = NetworkSampler(policy)
    with torch.no_grad():
        next(policy.model.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="the policy has been trained since this sampler was made; make a new one"):
        sampler.sample(policy.encode(SOURCES), 1, 1.0, 0)


def test_other_decoders_are_refused(tiny_task: Task) -> None:
    with pytest.raises(ValueError, match=r"only a plain Marian decoder has another arithmetic .*, a 'bart' model"):
        make_sampler(random_policy("bart", tiny_task.tokenizer), "static")
