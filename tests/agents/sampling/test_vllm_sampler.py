"""What is asked of vLLM and made of its answers, on a stand-in with its interface; itself it needs a GPU.

`tests/libraries/test_vllm.py` runs on the library.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy, make_sampler, sampler_kl
from buffers import Samples
from seq2seq_env.constraint import Constraint
from seq2seq_env.tasks.task import Task
from tests.tiny_models import tiny_policy_config

SOURCES = ["eins rot haus", "zwei", "drei blau"]


@dataclass
class SamplingParams:
    """Fields of vLLM's of that name."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    detokenize: bool = True
    allowed_token_ids: list[int] | None = None


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    token_ids: tuple[int, ...]
    logprobs: list[dict[int, Logprob]]
    finish_reason: str


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput] = field(default_factory=list)


class LLM:
    """Generates as vLLM is documented to, with the model that it reads from the folder it is given."""

    def __init__(
        self, model: str, *, skip_tokenizer_init: bool, generation_config: str, dtype: str, max_model_len: int,
        gpu_memory_utilization: float, logprobs_mode: str,
    ) -> None:  # fmt: skip
        assert (skip_tokenizer_init, generation_config, logprobs_mode) == (True, "vllm", "processed_logprobs")
        assert 0 < gpu_memory_utilization <= 1
        assert {"config.json", "model.safetensors"} <= {path.name for path in Path(model).iterdir()}
        self.model: Any = Seq2SeqPolicy.load(model).model
        if max_model_len > self.model.config.max_position_embeddings:
            raise ValueError(f"max_model_len ({max_model_len}) is greater than the derived max_model_len")
        self.longest = max_model_len

    def generate(
        self, prompts: list[dict[str, list[int]]], sampling_params: list[SamplingParams], *, use_tqdm: bool
    ) -> list[RequestOutput]:
        assert len(sampling_params) == len(prompts)
        found = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            output = RequestOutput(prompt["prompt_token_ids"])
            output.outputs = [self._complete(output.prompt_token_ids, params, k) for k in reversed(range(params.n))]
            found.append(output)
        return found

    def _complete(self, prompt: list[int], params: SamplingParams, index: int) -> CompletionOutput:
        assert params.seed is not None
        assert params.max_tokens is not None
        assert (params.top_p, params.top_k, params.logprobs, params.detokenize) == (1.0, 0, 0, False)
        generator = torch.Generator().manual_seed(params.seed + index)
        tokens: list[int] = []
        steps: list[dict[int, Logprob]] = []
        assert len(prompt) < self.longest
        while len(tokens) < params.max_tokens and len(prompt) + len(tokens) < self.longest:
            row = torch.tensor([[*prompt, *tokens]])
            with torch.no_grad():
                logits = self.model(input_ids=row).logits[0, -1]
            mask = torch.full_like(logits, -torch.inf)
            mask[params.allowed_token_ids] = 0.0
            log_prob = torch.log_softmax((logits + mask) / params.temperature, -1)
            token = int(torch.multinomial(log_prob.exp(), 1, generator=generator))
            tokens.append(token)
            steps.append({token: Logprob(float(log_prob[token]))})
            if token in (params.stop_token_ids or ()):
                return CompletionOutput(index, (*tokens,), steps, "stop")
        return CompletionOutput(index, (*tokens,), steps, "length")


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: Any = ModuleType("vllm")
    module.LLM, module.SamplingParams, module.__version__ = LLM, SamplingParams, "0.0"
    monkeypatch.setitem(sys.modules, "vllm", module)
    return module  # type: ignore[no-any-return]


@pytest.fixture
def causal(tiny_task: Task) -> Seq2SeqPolicy:
    config = tiny_policy_config(architecture="decoder-only", decoder_layers=1)
    return Seq2SeqPolicy.from_config(tiny_task.tokenizer, config, seed=3)


def rows(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


@pytest.mark.usefixtures("vllm")
def test_log_probabilities_are_of_the_distribution_drawn_from(causal: Seq2SeqPolicy) -> None:
    sampler = make_sampler(causal, "vllm")
    assert sampler.engine == "vllm 0.0 float32"
    samples = sampler.sample(sampler.encode(SOURCES), 6, 0.7, seed=1)
    assert samples.source_index.tolist() == sorted([0, 1, 2] * 6)
    sources = [SOURCES[i] for i in samples.source_index]
    expected = np.concatenate(causal.log_probs(causal.encode(sources), rows(samples), 0.7))
    np.testing.assert_allclose(samples.log_prob, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(samples.terminated, [row[-1] == causal.tokenizer.eos_id for row in rows(samples)])
    assert samples.terminated.any()
    assert not samples.terminated.all()
    assert len({*map(tuple, rows(samples))}) > 10  # candidates and sources have random numbers of their own
    again = sampler.sample(sampler.encode(SOURCES), 6, 0.7, seed=1)
    np.testing.assert_array_equal(again.tokens, samples.tokens)
    assert sampler.sample(sampler.encode(SOURCES), 6, 0.7, seed=2).texts != samples.texts
    assert abs(sampler_kl(sampler, causal, SOURCES, 1.0, seed=0).kl) < 1e-5
    assert len(sampler.sample([], 6, 0.7, seed=1)) == 0


@pytest.mark.usefixtures("vllm")
def test_a_constraint_is_kept_to(causal: Seq2SeqPolicy) -> None:
    narrow = causal.constrained(Constraint(frozenset({3, 12, 13}), (2, 12)))
    samples = make_sampler(narrow, "vllm").sample(narrow.encode(SOURCES), 4, 1.0, seed=1)
    assert all(row[:2] == [2, 12] and {*row[2:]} <= {0, 3, 12, 13} for row in rows(samples))
    assert np.diff(samples.offsets).max() == narrow.max_target_length
    sources = [SOURCES[i] for i in samples.source_index]
    expected = np.concatenate(narrow.log_probs(narrow.encode(sources), rows(samples)))
    np.testing.assert_allclose(samples.log_prob, expected, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("vllm")
def test_the_longest_source_leaves_one_token_less(causal: Seq2SeqPolicy) -> None:
    sources = [[3] * (causal.max_source_length - 1) + [0], [3, 0]]
    samples = make_sampler(causal, "vllm").sample(sources, 20, 2.0, seed=1)
    longest = np.diff(samples.offsets).reshape(2, 20).max(1)
    assert longest.tolist() == [causal.max_target_length - 1, causal.max_target_length]
    expected = np.concatenate(causal.log_probs([sources[i] for i in samples.source_index], rows(samples), 2.0))
    np.testing.assert_allclose(samples.log_prob, expected, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("vllm")
def test_a_policy_trained_meanwhile_is_refused(causal: Seq2SeqPolicy) -> None:
    sampler = make_sampler(causal, "vllm")
    with torch.no_grad():
        next(causal.model.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="has been trained since this sampler was made"):
        sampler.sample(sampler.encode(SOURCES), 1, 1.0, seed=0)


def test_what_it_does_not_sample_is_refused(
    policy: Seq2SeqPolicy, causal: Seq2SeqPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="vLLM samples decoder-only models, and this policy is a 'marian' encoder-"):
        make_sampler(policy, "vllm")
    with pytest.raises(ValueError, match="vLLM samples in float32, bfloat16 or float16, not 'int8'"):
        make_sampler(causal, "vllm", "int8")
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError, match=r"the engine vllm needs vllm, .* in an environment of its own: pip install"):
        make_sampler(causal, "vllm")
