from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from agents.policy.generation import Decoded, as_samples, decode, draw, random_stream, uniforms
from seq2seq_env.tasks.task import Task

NEVER = -torch.inf


class ScriptedDecoder:
    """Gives scripted logits [T,R,V], whatever was written, and remembers what it was given."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.given: list[list[int]] = []
        self.kept: list[list[int]] = []

    def step(self, tokens: Tensor) -> Tensor:
        self.given.append(tokens.tolist())
        return self.logits[len(self.given) - 1].clone()

    def keep(self, rows: Tensor) -> None:
        self.kept.append(rows.tolist())
        self.logits = self.logits[:, rows]


def greedy(choices: list[list[int]], max_length: int) -> tuple[Decoded, ScriptedDecoder]:
    """Decode rows whose likeliest tokens are ``choices``, of a vocabulary of 5."""
    tokens = torch.tensor(choices).T  # [T,R]
    decoder = ScriptedDecoder(torch.nn.functional.one_hot(tokens, 5).float())
    support = torch.tensor([0.0, 0.0, 0.0, 0.0, NEVER])
    written = decode(decoder, support, num_sources=len(choices), start_id=4, eos_id=0, max_length=max_length)
    return written, decoder


def test_draw_inverts_the_cumulative_distribution() -> None:
    scores = torch.tensor([0.2, 0.3, 0.5]).log().repeat(3, 1)
    uniform = torch.tensor([[0.0, 0.19], [0.21, 0.49], [0.51, 0.999999]])
    tokens, log_prob = draw(scores, uniform)
    assert tokens.tolist() == [[0, 0], [1, 1], [2, 2]]
    torch.testing.assert_close(log_prob.exp(), torch.tensor([[0.2, 0.2], [0.3, 0.3], [0.5, 0.5]]))


def test_draw_never_takes_a_token_outside_the_support() -> None:
    scores = torch.tensor([[NEVER, 0.0, NEVER, 0.0, NEVER]]).repeat(3, 1)
    tokens, _ = draw(scores, torch.tensor([[0.0], [0.5], [1.0]]))
    assert tokens.tolist() == [[1], [3], [3]]


def test_draw_names_logits_that_are_no_distribution() -> None:
    with pytest.raises(FloatingPointError, match="not finite; load an earlier checkpoint"):
        draw(torch.tensor([[0.0, torch.nan]]), torch.tensor([[0.5]]))


def test_draw_follows_the_distribution() -> None:
    probabilities = np.array([0.05, 0.0, 0.6, 0.25, 0.1])
    scores = torch.from_numpy(probabilities).float().log().repeat(4, 1)
    uniform = torch.from_numpy(np.random.default_rng(7).random((4, 5_000))).float()
    counts = np.bincount(draw(scores, uniform)[0].flatten().numpy(), minlength=5)
    assert counts[1] == 0
    assert stats.chisquare(counts[probabilities > 0], 20_000 * probabilities[probabilities > 0]).pvalue > 0.01


def test_rows_end_at_their_end_of_sequence_or_at_the_limit() -> None:
    written, decoder = greedy([[1, 0, 3, 3], [1, 2, 3, 2], [2, 2, 0, 3]], max_length=4)
    assert written.tokens.tolist() == [[1, 0, 0, 0], [1, 2, 3, 2], [2, 2, 0, 0]]
    assert written.lengths.tolist() == [2, 4, 3]
    assert written.log_prob is None
    assert decoder.given == [[4, 4, 4], [1, 1, 2], [2, 2], [3]]  # a row that has ended is not decoded


def test_rows_that_have_ended_stay_ended_until_they_are_dropped() -> None:
    choices = [[0, 3, 3]] + [[1, 2, 3]] * 9  # one of ten is below the share that is worth a copy
    written, decoder = greedy(choices, max_length=3)
    assert [len(rows) for rows in decoder.given] == [10, 10, 10]
    assert written.tokens[0].tolist() == [0, 0, 0]
    assert written.lengths[0] == 1


def test_a_sample_that_the_limit_cut_is_not_terminated(tiny_task: Task) -> None:
    tokenizer = tiny_task.tokenizer
    house, dog, end = tokenizer.encode(["house dog"])[0]
    samples = as_samples(
        tokenizer,
        np.array([house, end, house, dog, dog, end], dtype=np.int32),
        np.zeros(6, dtype=np.float32),
        np.array([[2, 2], [1, 1]]),
    )
    assert samples.source_index.tolist() == [0, 0, 1, 1]
    assert samples.offsets.tolist() == [0, 2, 4, 5, 6]
    assert samples.terminated.tolist() == [True, False, False, True]
    assert samples.texts == ["house", "house dog", "dog", ""]


def test_candidates_that_agree_are_one_state_until_they_draw_apart() -> None:
    scripted = torch.tensor([0.2, 0.3, 0.5, 0.0, 0.0]).log().repeat(3, 2, 1)  # two sources
    decoder = ScriptedDecoder(scripted)
    uniform = torch.tensor(
        [
            [0.3, 0.9, 0.1],  # 1 2 0
            [0.4, 0.3, 0.9],  # 1 1 2: one state with the first until the second token
            [0.4, 0.9, 0.3],  # 1 2 1: one state with the first until the third
            [0.9, 0.3, 0.3],  # 2 1 1
            [0.1, 0.9, 0.9],  # 0: ends at once
            [0.9, 0.3, 0.3],  # 2 1 1: as the candidate before the last
        ]
    )
    written = decode(
        decoder,
        torch.tensor([0.0, 0.0, 0.0, NEVER, NEVER]),
        num_sources=2,
        start_id=4,
        eos_id=0,
        max_length=3,
        uniform=uniform,
    )
    assert written.tokens.tolist() == [[1, 2, 0], [1, 1, 2], [1, 2, 1], [2, 1, 1], [0, 0, 0], [2, 1, 1]]
    assert written.lengths.tolist() == [3, 3, 3, 3, 1, 3]
    assert decoder.given == [[4, 4], [1, 2], [1, 2, 1]]
    assert decoder.kept[0] == [0, 0, 1]
    assert written.log_prob is not None
    chances = [[0.3, 0.5, 0.2], [0.3, 0.3, 0.5], [0.3, 0.5, 0.3], [0.5, 0.3, 0.3], [0.2, 1, 1], [0.5, 0.3, 0.3]]
    torch.testing.assert_close(written.log_prob.exp(), torch.tensor(chances))


def test_decoding_stops_when_every_row_has_ended() -> None:
    written, decoder = greedy([[1, 0, 3], [2, 0, 3]], max_length=3)
    assert len(decoder.given) == 2
    assert written.lengths.tolist() == [2, 2]


def test_log_probabilities_are_those_of_the_sampling_temperature() -> None:
    logits = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2]).log()
    support = torch.tensor([0.0, NEVER, 0.0, 0.0, NEVER])
    decoder = ScriptedDecoder(logits.repeat(2, 1, 1))
    written = decode(
        decoder,
        support,
        num_sources=1,
        start_id=4,
        eos_id=0,
        max_length=2,
        temperature=0.5,
        uniform=torch.tensor([[0.99, 0.01]]),
    )
    # At temperature 1/2 probabilities are squared: 0.01, 0.09 and 0.04 of tokens 0, 2 and 3, in all 0.14.
    assert written.tokens.tolist() == [[3, 0]]
    assert written.log_prob is not None
    torch.testing.assert_close(written.log_prob.exp(), torch.tensor([[0.04 / 0.14, 0.01 / 0.14]]))


def test_streams_are_those_of_source_and_candidate() -> None:
    two, three = uniforms(5, 11, 2, 4), uniforms(5, 11, 3, 4)
    np.testing.assert_array_equal(two, three[:2])
    assert not np.array_equal(two, uniforms(5, 12, 2, 4))
    assert not np.array_equal(two, uniforms(6, 11, 2, 4))
    np.testing.assert_array_equal(random_stream(5, 11).random(4), two[0])


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_beyond_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed is {seed}; give an integer from 0"):
        random_stream(seed, 0)
