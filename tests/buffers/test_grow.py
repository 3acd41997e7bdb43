from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, InThreads, Percentile, Samples, ShardError, Slice, grow
from buffers.growing.grow import Sampler, shard_seed
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Split, Task

SETTINGS: dict[str, Any] = {
    "grow_step": 1,
    "candidates": 5,
    "temperature": 0.8,
    "seed": 0,
    "sources_per_shard": 10,
    "workers": InThreads(1),  # so that shards come in order
    "progress": False,
}


class CountingScorer:
    """Another scorer's scores, with an accident at some call and all after it."""

    def __init__(self, scorer: Scorer, fail_at_call: int | None = None, value: float | None = None) -> None:
        self.scorer, self.fail_at_call, self.value = scorer, fail_at_call, value
        self.fingerprint = scorer.fingerprint
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(zip(sources, hypotheses, strict=True)))
        scores = self.scorer.score(sources, hypotheses)
        if self.fail_at_call is not None and len(self.calls) >= self.fail_at_call:
            if self.value is None:
                raise RuntimeError("power cut")
            scores[-1] = self.value
        return scores


class OtherSplit(Task):
    """A task whose train split is replaced."""

    def __init__(self, task: Task, sources: list[str], references: list[str]) -> None:
        vars(self).update(vars(task))
        self.name, self.fingerprint = task.name, "other"
        self.max_source_length, self.max_target_length = task.max_source_length, task.max_target_length
        self.train = Split("train", sources, references)

    def split(self, name: str) -> Split:
        return self.train


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_a_grow_step_joins_samples_and_references(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path, task=tiny_task)
    report = grow(sampler, fake_scorer, tiny_task, buffer, **SETTINGS)
    grown = buffer.select(grow_step=1)
    assert [shard.num_sources for shard in buffer.shards] == [10, 10, 4]
    assert grown.source_index.tolist() == np.repeat(np.arange(24), 6).tolist()
    assert grown.is_reference.tolist() == ([False] * 5 + [True]) * 24
    everything = grown.read()
    split = tiny_task.split("train")
    sources = [row.tolist() for row in np.split(everything.source_tokens, everything.source_offsets[1:-1])]
    rows = [row.tolist() for row in np.split(everything.tokens, everything.offsets[1:-1])]
    targets = tiny_task.tokenizer.decode(rows)
    assert tiny_task.tokenizer.decode(sources) == split.sources
    assert targets[5::6] == split.references
    # Every reward is the scorer's for exactly that pair, and a reference scores 1.
    wanted = fake_scorer.score([split.sources[row] for row in grown.source_index], targets)
    np.testing.assert_array_equal(grown.rewards, wanted)
    assert grown.rewards[5::6].tolist() == [1.0] * 24
    # The fake policy's log-probability is -token / 10 / temperature, for samples and references alike.
    np.testing.assert_allclose(everything.log_prob, -everything.tokens / 8, rtol=1e-6)
    samples = ~grown.is_reference
    sampled = [(i // 6, tuple(row)) for i, row in enumerate(rows) if i % 6 != 5]
    assert (report.trajectories, report.tokens, report.distinct_samples) == (
        144,
        sum(map(len, rows)),
        len(set(sampled)),
    )
    assert len(set(sampled)) < len(sampled) == 120
    assert report.mean_reward_samples == pytest.approx(wanted[samples].mean())
    assert report.mean_reward_references == 1.0
    assert report.truncated_fraction == pytest.approx(np.mean([row[-1] != 0 for _, row in sampled]))
    assert 0 < report.truncated_fraction < 1
    assert (report.shards_written, report.shards_skipped) == (3, 0)
    assert report.seconds > 0


def test_each_distinct_pair_is_scored_once_a_shard(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    scorer = CountingScorer(fake_scorer)
    report = grow(sampler, scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, "candidates": 40})
    assert [len(set(pairs)) for pairs in scorer.calls] == [len(pairs) for pairs in scorer.calls]
    assert sum(map(len, scorer.calls)) < report.trajectories


def test_a_killed_step_resumes_to_the_same_bytes(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    report = grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(whole), **SETTINGS)
    with pytest.raises(RuntimeError, match="power cut"):
        grow(sampler, CountingScorer(fake_scorer, 2), tiny_task, GrowingBatchBuffer(killed), **SETTINGS)
    assert list(contents(killed)) == ["g001-s00000.h5"]
    sampler.sampled.clear()
    resumed = grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(killed), **SETTINGS)
    assert [len(sources) for sources, _ in sampler.sampled] == [10, 4]
    assert contents(killed) == contents(whole)
    assert resumed == replace(report, seconds=resumed.seconds, shards_written=2, shards_skipped=1)
    sampler.sampled.clear()
    assert grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(killed), **SETTINGS).shards_skipped == 3
    assert sampler.sampled == []


def test_shards_do_not_depend_on_which_are_made_first(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    before = contents(tmp_path)
    (tmp_path / "g001-s00001.h5").unlink()
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert contents(tmp_path) == before


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


def test_some_sources_are_drawn_without_replacement(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    def drawn(name: str, **changes: Any) -> list[int]:
        buffer = GrowingBatchBuffer(tmp_path / name)
        grow(sampler, fake_scorer, tiny_task, buffer, **{**SETTINGS, "num_sources": 8, **changes})
        return sorted(set(buffer.select().source_index.tolist()))

    first = drawn("first")
    assert len(first) == 8
    assert set(first) <= set(range(24))
    assert drawn("again", candidates=2) == first
    assert drawn("seed", seed=1) != first
    assert drawn("step", grow_step=2) != first
    assert drawn("all", num_sources=24) == list(range(24))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; sample at a finite temperature above 0"),
        ({"temperature": -0.8}, "temperature is -0.8"),
        ({"candidates": -1}, "candidates is -1; give at least 0"),
        ({"candidates": 0, "references": False}, "candidates is 0 and references 0; give candidates, references"),
        ({"num_sources": 0}, "num_sources is 0; give at least 1"),
        ({"num_sources": 25}, "num_sources is 25, the train split has 24"),
        ({"sources_per_shard": 0}, "sources_per_shard is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"grow_step": -1}, "grow_step is -1"),
    ],
)
def test_settings_out_of_range_are_refused_before_any_work(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, **changes})
    assert sampler.sampled == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 1.0}, "temperature 0.8 does not go with 1.0"),
        ({"candidates": 6}, "candidates 5 does not go with 6"),
        ({"references": False}, "references 1 does not go with 0"),
        ({"seed": 1}, "seed 0 does not go with 1"),
        ({"num_sources": 8}, "num_sources 24 does not go with 8"),
        ({"sources_per_shard": 12}, "sources_per_shard 10 does not go with 12"),
    ],
)
def test_a_changed_setting_does_not_resume(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    before = contents(tmp_path)
    sampler.sampled.clear()
    with pytest.raises(ShardError, match=message):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, **changes})
    assert sampler.sampled == []
    assert contents(tmp_path) == before


def test_original_pairs_and_samples_may_be_grown_apart(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    together, apart = (GrowingBatchBuffer(tmp_path / name, task=tiny_task) for name in ("together", "apart"))
    grow(sampler, fake_scorer, tiny_task, together, **SETTINGS)
    report = grow(sampler, fake_scorer, tiny_task, apart, **SETTINGS | {"grow_step": 0, "candidates": 0})
    assert (report.trajectories, report.distinct_samples) == (24, 0)
    assert np.isnan([report.mean_reward_samples, report.truncated_fraction]).all()
    report = grow(sampler, fake_scorer, tiny_task, apart, **SETTINGS, references=False)
    assert report.trajectories == 24 * 5
    assert np.isnan(report.mean_reward_references)
    whole = together.select(grow_step=1)
    for step, references in ((0, True), (1, False)):
        assert_same(apart.select(grow_step=step), whole.where(whole.is_reference == references))
    both = apart.select(grow_step=(0, 1))
    assert len(both) == len(whole)
    best: dict[int, float] = {}
    for index, reward in zip(whole.source_index, whole.rewards, strict=True):
        best[index] = max(reward, best.get(index, 0.0))
    kept = both.select(Percentile(90))
    assert all(reward == best[index] for index, reward in zip(kept.source_index, kept.rewards, strict=True))
    with pytest.raises(ValueError, match="does not have Grow step 2; call"):
        apart.select(grow_step=(0, 2))


def assert_same(first: Slice, second: Slice) -> None:
    ours, theirs = first.read(), second.read()
    for name, values in vars(ours).items():
        np.testing.assert_array_equal(values, getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("value", [float("nan"), 1.5])
def test_an_impossible_score_leaves_no_shard(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, value: float
) -> None:
    with pytest.raises(ValueError, match=f"score {value}"):
        grow(sampler, CountingScorer(fake_scorer, 2, value), tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert list(contents(tmp_path)) == ["g001-s00000.h5"]


def test_a_full_disk_leaves_finished_shards_only(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.replace

    def fail(source: Path, target: Path) -> None:
        if target.name == "g001-s00001.h5":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=r"No space left.*g001-s00001\.h5"):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert list(contents(tmp_path)) == ["g001-s00000.h5"]


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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda samples: replace(samples, source_index=np.zeros(50, dtype=np.int64)), "it must give each 5"),
        (lambda samples: replace(samples, source_index=samples.source_index + 1), "it must give each 5"),
        (lambda samples: replace(samples, terminated=~samples.terminated), "terminated means that it ends with"),
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
    assert list(tmp_path.iterdir()) == []


def test_wrong_numbers_of_tokens_are_refused(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    policy = BrokenSampler(sampler, lambda samples: samples, extra=1)
    with pytest.raises(ValueError, match=r"log-probabilities for targets of \[4, 4"):
        grow(policy, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    sampler.limit = 15
    with pytest.raises(ValueError, match="sampled 15 tokens where task 'tiny' stops at 12"):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)


def test_progress_counts_sources(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, "progress": True})
    shown = capsys.readouterr().err
    assert "Grow 1: 100%" in shown
    assert "24/24" in shown
    assert "source/s" in shown
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert capsys.readouterr().err == ""
