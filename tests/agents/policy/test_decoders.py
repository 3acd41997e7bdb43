from __future__ import annotations

import pytest
import torch

from agents.policy.decoders import CachedDecoder, decoder_opener
from seq2seq_env.tasks.task import Task
from tests.agents.policy.decoder_check import check_against_forward
from tests.tiny_models import random_policy


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_other_architectures_decode_through_their_own_cache(tiny_task: Task, name: str) -> None:
    policy = random_policy(name, tiny_task.tokenizer)
    assert isinstance(check_against_forward(policy, decoder_opener(policy.model)), CachedDecoder)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_other_architectures_sample_what_they_score(tiny_task: Task, name: str) -> None:
    policy = random_policy(name, tiny_task.tokenizer)
    samples = policy.sample(policy.encode(["eins rot haus", "zwei"]), 3, 0.8, seed=1)
    targets = [samples.tokens[a:b].tolist() for a, b in zip(samples.offsets, samples.offsets[1:], strict=False)]
    sources = [["eins rot haus", "zwei"][i] for i in samples.source_index]
    scored = torch.cat([torch.from_numpy(row) for row in policy.log_probs(policy.encode(sources), targets, 0.8)])
    torch.testing.assert_close(torch.from_numpy(samples.log_prob), scored, rtol=0, atol=1e-4)
    assert samples.tokens.max() < tiny_task.tokenizer.pad_id
