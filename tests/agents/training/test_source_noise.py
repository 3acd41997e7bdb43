from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import BC, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.training.source_noise import Noised, NoisySources, noised
from buffers import Slice

PAD, BLANK, END = 18, 17, 0
SOURCE = torch.tensor([[2, 3, 4, 5, 6, END], [7, END, PAD, PAD, PAD, PAD]])


def noise(seed: int = 0, **config: float) -> Noised:
    rng = np.random.default_rng(seed)
    return noised(SOURCE, SOURCE != PAD, TrainingConfig(**config), BLANK, PAD, rng)  # type: ignore[arg-type]


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
