from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest
import tokenizers

from buffers import GrowingBatchBuffer, Percentile, ShardError, Slice, grow
from buffers.growing.plan import Sampler
from buffers.storage.tokenizer_folder import kept_tokenizer, tokenizer_folder
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import contents
from tests.buffers.growing.conftest import SETTINGS, CountingScorer


def shards(folder: Path) -> list[str]:
    """Files of a buffer but for its tokenizer, hidden ones too."""
    return [name for name in contents(folder) if not name.startswith("tokenizer-")]


def test_every_shard_names_the_tokenizer_beside_it(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path, task=tiny_task)
    grow(sampler, fake_scorer, tiny_task, buffer, **SETTINGS)
    assert {shard.provenance.tokenizer_folder for shard in buffer.shards} == {tokenizer_folder(tiny_task.tokenizer)}
    kept = kept_tokenizer(tmp_path, buffer.shards[0].provenance.tokenizer_folder)
    assert kept is not None
    assert kept.fingerprint == tiny_task.tokenizer.fingerprint
    with h5py.File(buffer.shards[0].path) as file:
        folder = file.attrs["tokenizer_folder"].decode()
    read = tokenizers.Tokenizer.from_file(str(tmp_path / folder / "tokenizer.json"))
    assert read.get_vocab_size() == tiny_task.tokenizer.vocab_size


def test_samples_are_numbered_within_source_and_grow_step(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path, task=tiny_task)
    for step in (1, 3):
        grow(sampler, fake_scorer, tiny_task, buffer, **SETTINGS | {"grow_step": step})
    grown = buffer.select()
    assert grown.grow_step.tolist() == [1] * 144 + [3] * 144
    assert grown.candidate.tolist() == [0, 1, 2, 3, 4, -1] * 48
    some = grown.where(np.arange(len(grown)) % 5 == 0)
    assert some.candidate.tolist() == grown.candidate[::5].tolist()
    assert Slice.from_trajectories(grown.where(grown.grow_step == 1).read(), 18).candidate.tolist() == [
        0, 1, 2, 3, 4, -1,
    ] * 24  # fmt: skip


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


def test_a_killed_step_resumes_to_the_same_bytes(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    report = grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(whole), **SETTINGS)
    with pytest.raises(RuntimeError, match="power cut"):
        grow(sampler, CountingScorer(fake_scorer, 2), tiny_task, GrowingBatchBuffer(killed), **SETTINGS)
    assert shards(killed) == ["g001-s00000.h5"]
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


@pytest.mark.parametrize(("grow_from", "rows"), [("source-only", range(18, 24)), ("both", range(24))])
def test_sentences_without_references_are_sampled_by_rows_of_their_own(
    sampler: Any, fake_scorer: Scorer, monolingual_task: Task, tmp_path: Path, grow_from: str, rows: range
) -> None:
    settings = SETTINGS | {"grow_from": grow_from, "references": False}
    buffer = GrowingBatchBuffer(tmp_path / "all", task=monolingual_task)
    report = grow(sampler, fake_scorer, monolingual_task, buffer, **settings)
    grown = buffer.select()
    assert report.trajectories == len(grown) == 5 * len(rows)
    assert np.isnan(report.mean_reward_references)
    assert grown.source_index.tolist() == np.repeat(rows, 5).tolist()
    assert not grown.is_reference.any()
    everything = grown.read()
    encoded = [tokens.tolist() for tokens in np.split(everything.source_tokens, everything.source_offsets[1:-1])]
    assert everything.source_rows.tolist() == list(rows)
    sources = monolingual_task.split("train").sources + monolingual_task.split("source-only").sources
    assert monolingual_task.tokenizer.decode(encoded) == [sources[row] for row in rows]
    targets = [row.tolist() for row in np.split(everything.tokens, everything.offsets[1:-1])]
    wanted = fake_scorer.score([sources[row] for row in grown.source_index], monolingual_task.tokenizer.decode(targets))
    np.testing.assert_array_equal(grown.rewards, wanted)
    assert {shard.provenance.grow_from for shard in buffer.shards} == {grow_from}
    some = GrowingBatchBuffer(tmp_path / "some")
    grow(sampler, fake_scorer, monolingual_task, some, **settings | {"num_sources": 5})
    drawn = set(some.select().source_index.tolist())
    assert len(drawn) == 5
    assert drawn <= set(rows)


def test_references_are_grown_of_the_train_split_alone(
    sampler: Any, fake_scorer: Scorer, monolingual_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    for grow_from in ("source-only", "both"):
        with pytest.raises(ValueError, match=f"references is True and grow_from '{grow_from}', where sentences have n"):
            grow(sampler, fake_scorer, monolingual_task, buffer, **SETTINGS | {"grow_from": grow_from})
    with pytest.raises(ValueError, match="num_sources is 7, and there are 6 to draw from 'source-only'; give at most"):
        grow(
            sampler, fake_scorer, monolingual_task, buffer,
            **SETTINGS | {"grow_from": "source-only", "references": False, "num_sources": 7},
        )  # fmt: skip
    assert sampler.sampled == []
    grow(sampler, fake_scorer, monolingual_task, buffer, **SETTINGS)
    assert buffer.select().source_index.max() == 17


def test_what_is_drawn_from_does_not_change_in_a_step(
    sampler: Any, fake_scorer: Scorer, monolingual_task: Task, tmp_path: Path
) -> None:
    settings = SETTINGS | {"references": False}
    buffer = GrowingBatchBuffer(tmp_path)
    grow(sampler, fake_scorer, monolingual_task, buffer, **settings)
    with pytest.raises(ShardError, match="grow_from 'train' does not go with 'both'; use another folder or the"):
        grow(sampler, fake_scorer, monolingual_task, buffer, **settings | {"grow_from": "both"})
    grow(sampler, fake_scorer, monolingual_task, buffer, **settings | {"grow_from": "both", "grow_step": 2})
    assert len(buffer.select(grow_step=2)) == 5 * 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; sample at a finite temperature above 0"),
        ({"temperature": -0.8}, "temperature is -0.8"),
        ({"candidates": -1}, "candidates is -1; give at least 0"),
        ({"candidates": 0, "references": False}, "candidates is 0 and references 0; give candidates, references"),
        ({"num_sources": 0}, "num_sources is 0; give at least 1"),
        ({"num_sources": 25}, "num_sources is 25, and there are 24 to draw from 'train'; give at most"),
        ({"sources_per_shard": 0}, "sources_per_shard is 0"),
        ({"grow_from": "web"}, "no grow_from 'web'; choose one of train, source-only, both"),
        ({"grow_from": "both", "references": False}, "grow_from is 'both', and task 'tiny' has no sentences without"),
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
    assert shards(tmp_path) == ["g001-s00000.h5"]


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
    assert shards(tmp_path) == ["g001-s00000.h5"]


def test_progress_counts_sources(
    sampler: Sampler,
    fake_scorer: Scorer,
    tiny_task: Task,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seq2seq_env.progress.LINE_EVERY", 0.0)
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **{**SETTINGS, "progress": True})
    shown = capsys.readouterr().err
    assert "Grow 1: 24/24" in shown
    assert "source/s" in shown
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), **SETTINGS)
    assert capsys.readouterr().err == ""
