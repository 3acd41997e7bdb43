"""Decoder-only policies by CTranslate2; encoder-decoders are in test_ctranslate2_sampler.py."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from agents import CTranslate2Sampler, Seq2SeqPolicy, make_sampler
from agents.sampling import ctranslate2_sampler
from agents.sampling.ctranslate2_conversion import obstacle
from buffers import Samples
from seq2seq_env.constraint import Constraint
from seq2seq_env.tasks.task import Task

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]

KINDS: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "gpt2": (GPT2Config, GPT2LMHeadModel),
}


def random_policy(kind: str, task: Task, **changes: Any) -> Seq2SeqPolicy:
    """Of 16 features; four heads share two keys and values, where that can be."""
    config, model = KINDS[kind]
    grouped = {"num_key_value_heads": 2, "intermediate_size": 32} if kind != "gpt2" else {}
    tokens = task.tokenizer
    torch.manual_seed(2)
    settings = config(
        vocab_size=tokens.vocab_size, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=24, initializer_range=0.4, bos_token_id=None, eos_token_id=tokens.eos_id,
        pad_token_id=tokens.pad_id, decoder_start_token_id=tokens.eos_id, **grouped | changes,
    )  # fmt: skip
    return Seq2SeqPolicy(model(settings), tokens, 12)


def rows(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


def scored(policy: Seq2SeqPolicy, samples: Samples, temperature: float) -> Any:
    sources = [SOURCES[i] for i in samples.source_index]
    return np.concatenate(policy.log_probs(policy.encode(sources), rows(samples), temperature))


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), ("gpt2", {"layer_norm_epsilon": 0.1})])
def test_log_probabilities_are_the_policys_at_the_temperature(
    kind: str, changes: dict[str, Any], tiny_task: Task
) -> None:
    policy = random_policy(kind, tiny_task, **changes)
    before = policy.fingerprint
    sampler = make_sampler(policy)
    assert isinstance(sampler, CTranslate2Sampler)
    samples = sampler.sample(sampler.encode(SOURCES), 20, 0.8, seed=3)
    np.testing.assert_allclose(samples.log_prob, scored(policy, samples, 0.8), rtol=0, atol=1e-4)
    lengths, ended = np.diff(samples.offsets), [row[-1] == policy.tokenizer.eos_id for row in rows(samples)]
    np.testing.assert_array_equal(samples.terminated, ended)
    assert samples.terminated.any()
    assert (lengths[~samples.terminated] == policy.max_target_length).all()
    assert samples.tokens.max() < tiny_task.tokenizer.pad_id
    assert policy.fingerprint == before


def test_samples_are_the_same_on_any_number_of_threads(tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctranslate2_sampler, "SOURCES_PER_STREAM", 3)
    policy, sources = random_policy("llama", tiny_task), SOURCES * 4
    alone = CTranslate2Sampler(policy).sample(policy.encode(sources), 5, 1.2, seed=7)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        together = CTranslate2Sampler(policy).sample(policy.encode(sources), 5, 1.2, seed=7)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(together.tokens, alone.tokens)
    np.testing.assert_array_equal(together.log_prob, alone.log_prob)
    assert CTranslate2Sampler(policy).sample(policy.encode(sources), 5, 1.2, seed=8).texts != alone.texts


def test_both_engines_draw_from_one_distribution(tiny_task: Task) -> None:
    policy = random_policy("llama", tiny_task)
    ours, theirs = (each.sample(policy.encode(SOURCES), 250, 0.9, seed=1) for each in (policy, make_sampler(policy)))
    for values in ([ours.tokens, theirs.tokens], [np.diff(ours.offsets), np.diff(theirs.offsets)]):
        counts = np.stack([np.bincount(numbers, minlength=20) for numbers in values])
        counts = counts[:, counts.sum(0) >= 10]
        assert stats.chi2_contingency(counts).pvalue > 0.001


def test_a_constraint_is_kept_to(tiny_task: Task) -> None:
    narrow = random_policy("llama", tiny_task).constrained(Constraint(frozenset({3, 12, 13}), (2, 12)))
    samples = CTranslate2Sampler(narrow).sample(narrow.encode(SOURCES), 30, 1.0, seed=1)
    assert all(row[:2] == [2, 12] and {*row[2:]} <= {0, 3, 12, 13} for row in rows(samples))
    assert np.diff(samples.offsets).max() == narrow.max_target_length
    np.testing.assert_allclose(samples.log_prob, scored(narrow, samples, 1.0), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (
            "llama",
            {"head_dim": 8},
            "it takes attention heads of 4 features, a share of the width, and this model's have 8",
        ),
        (
            "llama",
            {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 10_000.0}},
            "it has no conversion of this model's rotary positions, 'yarn'",
        ),
        ("llama", {"hidden_act": "gelu"}, "it has no conversion of this model's activation 'gelu', only of silu"),
        (
            "gpt2",
            {"scale_attn_weights": False},
            "it scales attention by the width of a head alone, and this GPT-2 model has scale_attn_weights False",
        ),
        (
            "gpt2",
            {"scale_attn_by_inverse_layer_idx": True},
            "it scales attention by the width of a head alone, and this GPT-2 model has scale_attn_weights True and "
            "scale_attn_by_inverse_layer_idx True",
        ),
        (
            "qwen2",
            {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1},
            "its layers attend to all tokens, and some of this Qwen 2 model to 3 alone",
        ),
    ],
)
def test_what_would_convert_to_another_model_does_not(kind: str, changes: Any, why: str, tiny_task: Task) -> None:
    policy = random_policy(kind, tiny_task, **changes)
    assert str(obstacle(policy.model)).startswith(why)
    assert make_sampler(policy) is policy
