from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Samples, grow
from buffers.growing.plan import Sampler, shard_seed
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Split, Task
from tests.buffers.conftest import contents
from tests.buffers.growing.conftest import SETTINGS, CountingScorer


class OtherSplit(Task):
    """A task whose train split is replaced."""

    def __init__(self, task: Task, sources: list[str], references: list[str]) -> None:
        vars(self).update(vars(task))
        self.name, self.fingerprint = task.name, "other"
        self.max_source_length, self.max_target_length = task.max_source_length, task.max_target_length
        self.train = Split("train", sources, references)

    def split(self, name: str) -> Split:
        return self.train


class BrokenSampler:
    """A policy that breaks its promise in one way."""

    fingerprint, engine = "broken", "broken"

    def __init__(self, policy: Any, spoil: Callable[[Samples], Samples], extra: int = 0) -> None:
        self.policy, self.spoil, self.extra = policy, spoil, extra

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        return self.spoil(self.policy.sample(sources, num_candidates, temperature, seed))

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        given = self.policy.log_probs(sources, targets, temperature)
        return [np.append(row, np.float32(0)) for row in given] if self.extra else given


def with_first_token(token: int) -> Callable[[Samples], Samples]:
    """Puts a token in place of the first of at least two."""

    def spoil(samples: Samples) -> Samples:
        assert samples.offsets[1] > 1
        return replace(samples, tokens=np.concatenate([np.array([token], dtype=np.int32), samples.tokens[1:]]))

    return spoil


def test_each_distinct_pair_is_scored_once_a_shard(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    scorer = CountingScorer(fake_scorer)
    report = grow(sampler, scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, "candidates": 40})
    assert [len(set(pairs)) for pairs in scorer.calls] == [len(pairs) for pairs in scorer.calls]
    assert sum(map(len, scorer.calls)) < report.trajectories


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("  ", r"source at row 1 is empty \('  '\)"),
        ("rot " * 12, "source at row 1 has 13 tokens, 12 are allowed: 'rot rot"),
    ],
)
def test_a_bad_source_is_named(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, source: str, message: str
) -> None:
    task = OtherSplit(tiny_task, ["eins", source], ["one", "red"])
    with pytest.raises(ValueError, match=message):
        grow(sampler, fake_scorer, task, GrowingBatchBuffer(tmp_path), **SETTINGS)


def test_a_long_reference_is_stored_and_scored_as_truncated(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    scorer = CountingScorer(fake_scorer)
    task = OtherSplit(tiny_task, ["eins"], ["one " * 12 + "red"])
    buffer = GrowingBatchBuffer(tmp_path)
    grow(sampler, scorer, task, buffer, **SETTINGS)
    reference = buffer.select().where(buffer.select().is_reference)
    assert (reference.num_tokens, reference.terminated.tolist()) == (12, [False])
    assert ("eins", " ".join(["one"] * 12)) in scorer.calls[0]
    assert reference.rewards.tolist() == [1.0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda samples: replace(samples, source_index=np.zeros(50, dtype=np.int64)), "it must give each 5"),
        (lambda samples: replace(samples, source_index=samples.source_index + 1), "it must give each 5"),
        (lambda samples: replace(samples, terminated=~samples.terminated), "terminated means that it ends with"),
        (with_first_token(0), r"sample 0 has token 0 at position 0 of \d+; .* end-of-sequence \(0\) last alone"),
        (with_first_token(18), r"sample 0 has token 18 at position 0 of \d+; .* no padding \(18\)"),
        (with_first_token(19), "sample 0 has token 19 at position 0 of .* must write ids from 0 to 18, no padding"),
        (with_first_token(-1), "sample 0 has token -1 at position 0"),
    ],
)
def test_a_policy_that_breaks_its_promise_is_refused(
    sampler: Sampler,
    fake_scorer: Scorer,
    tiny_task: Task,
    tmp_path: Path,
    spoil: Callable[[Samples], Samples],
    message: str,
) -> None:
    policy = BrokenSampler(sampler, spoil)
    with pytest.raises(ValueError, match=message):
        grow(policy, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert [file for file in contents(tmp_path) if not file.startswith("tokenizer-")] == []


def test_wrong_numbers_of_tokens_are_refused(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    policy = BrokenSampler(sampler, lambda samples: samples, extra=1)
    with pytest.raises(ValueError, match=r"log-probabilities for targets of \[4, 4"):
        grow(policy, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    sampler.limit = 15
    with pytest.raises(ValueError, match="sampled 15 tokens where task 'tiny' stops at 12"):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)


def test_shards_and_grow_steps_have_seeds_of_their_own(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    for grow_step in (1, 2):
        grow(sampler, fake_scorer, tiny_task, buffer, **{**SETTINGS, "grow_step": grow_step})
    seeds = [seed for _, seed in sampler.sampled]
    assert seeds == [shard_seed(0, grow_step, index) for grow_step in (1, 2) for index in range(3)]
    assert len(set(seeds)) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert buffer.grow_steps == [1, 2]
