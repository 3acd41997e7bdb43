from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import BC, LossAgent, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.training.source_noise import Noised, NoisySources, noised
from buffers import Slice
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.conftest import ENGLISH, GERMAN
from tests.tiny_models import random_policy

PAD, BLANK, END = 18, 1, 0
SOURCE = torch.tensor([[2, 3, 4, 5, 6, END], [7, END, PAD, PAD, PAD, PAD]])


def noise(seed: int = 0, **config: float) -> Noised:
    rng = np.random.default_rng(seed)
    tokenizer = Tokenizer.from_words(GERMAN + ENGLISH)
    return noised(SOURCE, SOURCE != PAD, TrainingConfig(**config), tokenizer, rng)  # type: ignore[arg-type]


def rows(result: Noised) -> list[list[int]]:
    assert (result.source[~result.mask] == PAD).all()
    return [row[mask].tolist() for row, mask in zip(result.source, result.mask, strict=True)]


def test_without_noise_sources_stay() -> None:
    assert rows(noise()) == [[2, 3, 4, 5, 6, END], [7, END]]


def test_dropped_tokens_close_the_gap_and_the_end_stays() -> None:
    drawn = [rows(noise(seed, source_drop=0.5)) for seed in range(50)]
    assert all(first[-1] == END and first[:-1] == sorted(first[:-1]) and first[:-1] for first, _ in drawn)
    assert all(second == [7, END] for _, second in drawn)  # its one token is never dropped
    left = np.mean([len(first) - 1 for first, _ in drawn])
    assert 2 < left < 3.1


def test_blanked_tokens_are_unknown() -> None:
    drawn = [rows(noise(seed, source_blank=0.5)) for seed in range(50)]
    assert all(len(first) == 6 and first[-1] == END for first, _ in drawn)
    assert 0.4 < np.mean([first.count(BLANK) / 5 for first, _ in drawn]) < 0.6
    assert {token for first, _ in drawn for token in first[:-1]} == {2, 3, 4, 5, 6, BLANK}


def test_shuffled_tokens_move_a_little() -> None:
    drawn = [rows(noise(seed, source_shuffle=2)) for seed in range(50)]
    moves = [abs(place - (token - 2)) for first, _ in drawn for place, token in enumerate(first[:-1])]
    assert max(moves) == 2
    assert all(sorted(first) == [END, 2, 3, 4, 5, 6] and first[-1] == END for first, _ in drawn)


@pytest.mark.parametrize("name", ["m2m100", "nllb", "mbart", "bart", "marian"])
def test_what_a_tokenizer_puts_around_a_text_stays(name: str, pretrained_task: Callable[[str], Task]) -> None:
    tokenizer = pretrained_task(name).tokenizer
    encoded = tokenizer.encode(["eins rot haus zwei blau", "drei hund"])
    source = torch.full((2, max(map(len, encoded))), tokenizer.pad_id)
    for row, tokens in enumerate(encoded):
        source[row, : len(tokens)] = torch.tensor(tokens)
    config = TrainingConfig(source_drop=0.3, source_blank=0.3, source_shuffle=3)
    first, last = len(tokenizer.source_prefix), len(tokenizer.source_suffix)
    changed = False
    for seed in range(30):
        rng = np.random.default_rng(seed)
        result = noised(source, source != tokenizer.pad_id, config, tokenizer, rng)
        for tokens, row, mask in zip(encoded, result.source, result.mask, strict=True):
            left = row[mask].tolist()
            assert (*left[:first],) == tokenizer.source_prefix
            assert (*left[len(left) - last :],) == tokenizer.source_suffix
            inner = left[first : len(left) - last]
            assert inner
            assert {*inner} <= {*tokens[first : len(tokens) - last], tokenizer.unk_id}
            changed |= left != tokens
    assert changed


def test_noise_on_a_text_before_every_source_is_refused(
    pretrained_task: Callable[[str], Task], pairs: Slice, quick: TrainingConfig
) -> None:
    agent = BC(random_policy("t5", pretrained_task("t5").tokenizer))
    with pytest.raises(ValueError, match="noise on sources would fall on source_prefix 'eins zu one: ', too; leave"):
        agent.improve(pairs, replace(quick, source_drop=0.1))


@pytest.mark.parametrize("name", ["iw-sft", "oac", "bvmpo"])
def test_an_agent_with_a_ratio_reads_what_the_behaviour_policy_read(
    name: str, policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    options = {} if name == "iw-sft" else {"value_tokens": 0}
    noisy = replace(quick, source_blank=0.1, max_tokens=20)
    with pytest.raises(ValueError, match=f"agent '{name}' trains without noise on its sources; leave source_drop"):
        make_agent(name, policy, **options).improve(grown, noisy)


def test_without_its_ratio_an_agent_may_read_noise(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = make_agent("oac", policy, value_tokens=0, importance_weight=False)
    assert agent.improve(grown, replace(quick, source_blank=0.1, max_tokens=20)).tokens >= 20


@pytest.mark.parametrize("name", ["dpo", "mrt"])
def test_what_a_loss_compares_reads_one_source(name: str, policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = make_agent(name, policy)
    assert isinstance(agent, LossAgent)
    plain = list(agent.batches(grown, 200, 0))
    batches = list(NoisySources(agent, TrainingConfig(source_blank=0.5), policy.tokenizer).batches(grown, 200, 0))
    for batch in batches:
        for number in set(batch.group.tolist()):
            rows = batch.source[batch.group == number]
            assert len(rows) > 1
            assert (rows == rows[0]).all()
    assert any(not torch.equal(a.source, b.source) for a, b in zip(plain, batches, strict=True))


def test_noise_is_on_sources_alone_and_other_in_each_epoch(policy: Seq2SeqPolicy, pairs: Slice) -> None:
    config = TrainingConfig(source_blank=0.5)
    learner = NoisySources(BC(policy), config, policy.tokenizer)
    plain = list(BC(policy).batches(pairs, 64, 0))
    first, again, other = (list(learner.batches(pairs, 64, seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a.target, b.target) for a, b in zip(plain, first, strict=True))
    assert all(torch.equal(a.source, b.source) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a.source, b.source) for a, b in zip(plain, first, strict=True))
    assert policy.tokenizer.unk_id in torch.cat([batch.source.flatten() for batch in other])


def test_training_with_noise_is_another_training(policy: Seq2SeqPolicy, pairs: Slice, quick: TrainingConfig) -> None:
    prints = []
    for config in (quick, replace(quick, source_drop=0.3), replace(quick, source_drop=0.3)):
        agent = make_agent("bc", policy.clone())
        agent.improve(pairs, replace(config, max_tokens=100))
        prints.append(agent.policy.fingerprint)
    assert prints[0] != prints[1] == prints[2]


@pytest.mark.parametrize(("name", "bad"), [("source_drop", 1.0), ("source_blank", -0.1), ("source_shuffle", -1)])
def test_noise_out_of_range_is_refused(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {bad}; give"):
        TrainingConfig(**{name: bad})  # type: ignore[arg-type]
