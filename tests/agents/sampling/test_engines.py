from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from agents import CTranslate2Sampler, Seq2SeqPolicy, make_sampler, sampler_kl
from buffers import Samples
from seq2seq_env.models.low_precision import has
from seq2seq_env.tasks.task import Task
from tests.tiny_models import random_policy

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]


def test_int8_gives_its_own_probabilities_and_says_how_far_off_it_is(trained: Seq2SeqPolicy) -> None:
    before = trained.fingerprint
    sampler = make_sampler(trained, "ctranslate2", "int8")
    assert sampler.engine.endswith("int8")
    moved = sampler_kl(sampler, trained, SOURCES * 50, 1.0, seed=0)
    itself = sampler_kl(trained, trained, SOURCES * 50, 1.0, seed=0)
    assert abs(itself.kl) < 1e-6
    assert 1e-6 < abs(moved.kl) < 0.05
    assert str(moved).startswith("sampler KL ")
    assert trained.fingerprint == before


def test_kl_is_the_mean_of_a_token_with_its_error(trained: Seq2SeqPolicy) -> None:
    class Twice:
        """Samples the policy, and says that everything was twice as likely."""

        fingerprint, engine, log_probs = "", "", trained.log_probs

        def sample(self, *arguments: Any) -> Samples:
            samples = trained.sample(*arguments)
            samples.log_prob[:] += np.log(2)
            return samples

    found = sampler_kl(Twice(), trained, SOURCES, 1.0, seed=0)
    assert found.kl == pytest.approx(np.log(2), rel=1e-5)
    assert found.standard_error < 1e-5
    with pytest.raises(ValueError, match="there are 1 sources; give at least 2"):
        sampler_kl(trained, trained, SOURCES[:1], 1.0, seed=0)


def test_auto_takes_the_faster_engine_that_can(
    policy: Seq2SeqPolicy, tiny_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_sampler(policy) is policy
    assert policy.engine == "transformers"
    if has("int8", policy.device):
        assert make_sampler(policy, "auto", "int8").engine == "transformers int8"
    assert isinstance(make_sampler(policy, "ctranslate2"), CTranslate2Sampler)
    other = random_policy("bart", tiny_task.tokenizer)
    assert make_sampler(other, "transformers") is other
    assert isinstance(make_sampler(other), CTranslate2Sampler)
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    assert make_sampler(other) is other
    with pytest.raises(ImportError, match=r"the engine ctranslate2 needs ctranslate2, .*\.\[ct2\]"):
        make_sampler(other, "ctranslate2")


def test_a_model_without_a_conversion_is_sampled_by_itself(
    policy: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy.model.config.pad_token_id = policy.tokenizer.pad_id - 1  # as no Marian model has it
    assert make_sampler(policy, "auto") is policy
    with pytest.raises(ValueError, match="CTranslate2 cannot sample this policy: Marian's padding must be the last"):
        make_sampler(policy, "ctranslate2")
    monkeypatch.setattr(type(policy.model.config), "model_type", "prophetnet")
    assert make_sampler(policy, "auto") is policy
    with pytest.raises(ValueError, match="it has no conversion of 'prophetnet' models, only of bart"):
        make_sampler(policy, "ctranslate2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tensorrt",), "there is no engine 'tensorrt'; choose one of auto, transformers, static, ctranslate2, vllm"),
        (("auto", "int4"), "there is no compute_type 'int4'; choose one of float32, int8"),
        (("transformers", "float16"), "the engine transformers samples in float32, bfloat16 or int8, not 'float16'"),
        (("ctranslate2", "float16"), "CTranslate2 computes no 'float16' on cpu; choose one of .*float32"),
    ],
)
def test_unknown_engines_are_refused(policy: Seq2SeqPolicy, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_sampler(policy, *arguments)
