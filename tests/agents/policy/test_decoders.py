from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents import Seq2SeqPolicy
from agents.policy.decoders import CachedDecoder, Decoder, MarianDecoder, open_decoder
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.tiny_models import random_policy, tiny_policy_config


def encode(tokenizer: Tokenizer, sources: list[str]) -> tuple[Tensor, Tensor]:
    rows = tokenizer.encode(sources)
    width = max(map(len, rows))
    source = torch.tensor([row + [tokenizer.pad_id] * (width - len(row)) for row in rows])
    return source, source != tokenizer.pad_id


@torch.no_grad()
def check_against_forward(kind: type, policy: Seq2SeqPolicy) -> None:
    """Every step's logits are those of one forward pass over the whole prefix, also of rows copied and dropped."""
    source, mask = encode(policy.tokenizer, ["eins rot haus", "zwei", "drei blau"])
    source_row = torch.tensor([0, 0, 1, 2, 2])
    decoder: Decoder = open_decoder(policy.model, source, mask)
    decoder.step(torch.full((3,), policy.start[0]))
    decoder.keep(source_row)
    assert isinstance(decoder, kind)
    generator = torch.Generator().manual_seed(0)
    written = torch.full((5, 1), policy.start[0])
    kept = torch.arange(5)
    written = torch.cat([written, torch.tensor([[3], [4], [5], [6], [7]])], dim=1)
    for position in range(17):
        logits = decoder.step(written[kept, -1])
        expected = policy.model(
            input_ids=source[source_row[kept]],
            attention_mask=mask[source_row[kept]].long(),
            decoder_input_ids=written[kept],
            use_cache=False,
        ).logits[:, -1]
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
        written = torch.cat([written, torch.randint(1, 18, (5, 1), generator=generator)], dim=1)
        if position in (3, 15):
            rows = torch.tensor([0, 2, 2, 3]) if position == 3 else torch.tensor([2])
            decoder.keep(rows)
            kept = kept[rows]


def test_the_marian_decoder_computes_what_transformers_does(tiny_task: Task) -> None:
    config = tiny_policy_config(max_target_length=20)
    check_against_forward(MarianDecoder, Seq2SeqPolicy.from_config(tiny_task.tokenizer, config, seed=1))


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_other_architectures_decode_through_their_own_cache(tiny_task: Task, name: str) -> None:
    check_against_forward(CachedDecoder, random_policy(name, tiny_task.tokenizer))


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_other_architectures_sample_what_they_score(tiny_task: Task, name: str) -> None:
    policy = random_policy(name, tiny_task.tokenizer)
    samples = policy.sample(policy.encode(["eins rot haus", "zwei"]), 3, 0.8, seed=1)
    targets = [samples.tokens[a:b].tolist() for a, b in zip(samples.offsets, samples.offsets[1:], strict=False)]
    sources = [["eins rot haus", "zwei"][i] for i in samples.source_index]
    scored = torch.cat([torch.from_numpy(row) for row in policy.log_probs(policy.encode(sources), targets, 0.8)])
    torch.testing.assert_close(torch.from_numpy(samples.log_prob), scored, rtol=0, atol=1e-4)
    assert samples.tokens.max() < tiny_task.tokenizer.pad_id
