from __future__ import annotations

from itertools import pairwise
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
)

from agents import CTranslate2Sampler, Seq2SeqPolicy, make_sampler
from agents.policy.teacher_forcing import AllowedTokens
from agents.sampling.ctranslate2_conversion import convert, obstacle, token_names
from buffers import Samples
from seq2seq_env.tasks.task import Task
from tests.tiny_models import random_policy

SOURCES = ["eins rot haus", "zwei", "drei blau", "zwei gruen hund"]


def rows(samples: Samples) -> list[list[int]]:
    return [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]


def scored(policy: Seq2SeqPolicy, samples: Samples, temperature: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    sources = [SOURCES[i] for i in samples.source_index]
    return np.concatenate(policy.log_probs(policy.encode(sources), rows(samples), temperature))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("bart", {}), ("mbart", {}), ("t5", {}), ("t5-v1.1", {}), ("mt5", {}),
        ("mt5", {"layer_norm_epsilon": 0.1}),
    ],
)  # fmt: skip
def test_every_architecture_converts(name: str, changes: dict[str, Any], tiny_task: Task) -> None:
    policy = random_policy(name, tiny_task.tokenizer, **changes)
    before = policy.fingerprint
    sampler = make_sampler(policy)
    assert isinstance(sampler, CTranslate2Sampler)
    samples = sampler.sample(sampler.encode(SOURCES), 20, 1.3, seed=3)
    np.testing.assert_allclose(samples.log_prob, scored(policy, samples, 1.3), rtol=0, atol=5e-5)
    assert policy.fingerprint == before
    assert samples.tokens.max() < tiny_task.tokenizer.pad_id
    assert tiny_task.tokenizer.unk_id not in samples.tokens


def test_m2m100_converts() -> None:
    """Its padding is token 1, which no tokenizer of ours has; so its network is compared by itself."""
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=20, init_std=0.5,
        pad_token_id=1, eos_token_id=2, bos_token_id=0, decoder_start_token_id=2,
    )  # fmt: skip
    model: Any = M2M100ForConditionalGeneration(config)
    model.train(False)
    assert obstacle(model) is None
    mask = torch.zeros(20)
    mask[[1, 3]] = -torch.inf
    names = token_names(model)
    files = convert(model, AllowedTokens(mask, unk_id=3), 0.7, "float32")
    translator = ctranslate2.Translator("m2m100", device="cpu", files=files)
    source, target = [5, 6, 7, 2], [8, 9, 10, 2]
    [scored] = translator.score_batch([[names[i] for i in source]], [[names[i] for i in target]])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[2, *target]])).logits[0]
    expected = torch.log_softmax(mask + logits / 0.7, -1)[range(5), [*target, 2]]
    np.testing.assert_allclose(scored.log_probs, expected, rtol=0, atol=1e-5)
    model.config.pad_token_id = 19
    assert str(obstacle(model)).startswith("it counts positions as with padding 1")
