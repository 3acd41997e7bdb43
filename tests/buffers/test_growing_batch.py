from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from buffers import (
    GrowingBatchBuffer,
    Interpolation,
    Provenance,
    RescoredShard,
    Shard,
    ShardError,
    Threshold,
    Trajectories,
)
from seq2seq_env.tasks.task import Task
from tests.pickling import sent


@pytest.fixture
def buffer(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> GrowingBatchBuffer:
    """Two shards of Grow step 1 and one of Grow step 2, which another policy and scorer made."""
    made = GrowingBatchBuffer(tmp_path / "buffer")
    made.append(trajectories, provenance)
    made.append(trajectories, replace(provenance, shard_index=1))
    later = replace(
        provenance, grow_step=2, policy_fingerprint="policy-2", scorer_fingerprint="scorer-2", temperature=0.7
    )
    made.append(trajectories.take(np.array([2])), later)
    return made


def test_a_folder_opens_as_it_was_left(
    buffer: GrowingBatchBuffer,
    trajectories: Trajectories,
    assert_equal: Callable[[Trajectories, Trajectories], None],
) -> None:
    again = GrowingBatchBuffer(buffer.path)
    assert [file.name for file in sorted(buffer.path.iterdir())] == [
        "g001-s00000.h5",
        "g001-s00001.h5",
        "g002-s00000.h5",
    ]
    assert again.shards == buffer.shards
    assert again.grow_steps == [1, 2]
    assert len(again) == 7
    assert again.has(2, 0)
    assert not again.has(2, 1)
    assert repr(again).endswith("grow_steps=[1, 2], shards=[3], trajectories=[7], tokens=[15])")
    assert_equal(again.shards[0].read(), trajectories)
    again.verify()


def test_a_new_folder_is_made_by_the_first_shard(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    buffer = GrowingBatchBuffer(tmp_path / "new" / "buffer")
    assert len(buffer) == 0
    assert not buffer.path.exists()
    with pytest.raises(ValueError, match=r"does not have any shard; call buffers\.grow first"):
        buffer.select()
    assert buffer.append(trajectories, provenance) == buffer.path / "g001-s00000.h5"
    assert len(buffer.select()) == 3


def test_opening_and_selecting_read_no_tokens(buffer: GrowingBatchBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()
    original = Shard.read_arrays

    def record(shard: Shard, wanted: Sequence[str]) -> dict[str, Any]:
        names.update(wanted)
        return original(shard, wanted)

    monkeypatch.setattr(Shard, "read_arrays", record)
    again = GrowingBatchBuffer(buffer.path)
    assert names == set()
    assert len(again.select(Threshold(0.5))) == 3
    assert names == {"reward"}
    assert len(again.select(Interpolation(0.5))) == 2
    assert names == {"reward", "source_index"}
    assert again.select().num_tokens == 15
    assert not names & {"tokens", "log_prob", "source_tokens"}


def test_select_takes_all_grow_steps_or_one(buffer: GrowingBatchBuffer) -> None:
    assert buffer.select().rewards.tolist() == [0.25, 0, 1, 0.25, 0, 1, 1]
    assert buffer.select(grow_step=2).rewards.tolist() == [1]
    assert buffer.select(Threshold(0.1), grow_step=1).rewards.tolist() == [0.25, 1, 0.25, 1]
    assert buffer.select(filter=Threshold(0.5)).pad_id == 18
    with pytest.raises(ValueError, match=r"grow_steps=\[1, 2\].* does not have Grow step 3"):
        buffer.select(grow_step=3)


@pytest.mark.parametrize("some", [(1, 2), {1, 2}, np.array([1, 2, 1]), range(1, 3), iter((1, 2))])
def test_select_takes_grow_steps_of_any_iterable(buffer: GrowingBatchBuffer, some: Any) -> None:
    assert buffer.select(grow_step=some).grow_step.tolist() == [1] * 6 + [2]


def test_appending_again_changes_nothing(
    buffer: GrowingBatchBuffer, trajectories: Trajectories, provenance: Provenance
) -> None:
    file = buffer.path / "g001-s00000.h5"
    before = file.stat()
    assert buffer.append(trajectories, provenance) == file
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grow_step": 3, "task_fingerprint": "other"}, "task_fingerprint 'tiny-1' does not go with 'other'"),
        ({"grow_step": 3, "tokenizer_fingerprint": "t"}, "tokenizer_fingerprint 'words-1' does not go with 't'"),
        ({"shard_index": 2, "policy_fingerprint": "p"}, "policy_fingerprint 'policy-1' does not go with 'p'"),
        ({"shard_index": 2, "scorer_fingerprint": "s"}, "scorer_fingerprint 'scorer-1' does not go with 's'"),
        ({"shard_index": 2, "temperature": 1.0}, "temperature 0.8 does not go with 1.0"),
        ({"shard_index": 2, "candidates": 9}, "candidates 2 does not go with 9"),
        ({"shard_index": 2, "seed": 4}, "seed 3 does not go with 4"),
        ({"shard_index": 1, "seed": 4}, "seed 3 does not go with 4"),
    ],
)
def test_a_mix_that_does_not_fit_is_refused(
    buffer: GrowingBatchBuffer,
    trajectories: Trajectories,
    provenance: Provenance,
    change: dict[str, Any],
    message: str,
) -> None:
    before = sorted(buffer.path.iterdir())
    unfit = replace(provenance, **change)
    with pytest.raises(ShardError, match=message):
        buffer.append(trajectories, unfit)
    assert sorted(buffer.path.iterdir()) == before
    # Nor does it fit when a file is copied into the folder.
    elsewhere = GrowingBatchBuffer(buffer.path.parent / "elsewhere")
    shutil.copy(elsewhere.append(trajectories, unfit), buffer.path)
    with pytest.raises(ShardError, match="does not go with"):
        GrowingBatchBuffer(buffer.path)


def test_shards_of_another_process_are_seen(
    buffer: GrowingBatchBuffer, trajectories: Trajectories, provenance: Provenance
) -> None:
    other = GrowingBatchBuffer(buffer.path)
    other.append(trajectories, replace(provenance, shard_index=7))
    assert buffer.has(1, 7)
    assert len(buffer) == 10
    other.append(trajectories, replace(provenance, grow_step=3))
    with pytest.raises(ShardError, match="candidates 2 does not go with 5"):
        buffer.append(trajectories, replace(provenance, grow_step=3, candidates=5))


def test_a_buffer_of_another_task_or_tokenizer_is_refused(
    buffer: GrowingBatchBuffer, tiny_task: Task, tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    with pytest.raises(ShardError, match="has tokenizer_fingerprint 'words-1', task 'tiny' has"):
        GrowingBatchBuffer(buffer.path, task=tiny_task)
    fits = replace(provenance, tokenizer_fingerprint=tiny_task.tokenizer.fingerprint)
    GrowingBatchBuffer(tmp_path / "fits").append(trajectories, fits)
    assert len(GrowingBatchBuffer(tmp_path / "fits", task=tiny_task)) == 3
    GrowingBatchBuffer(tmp_path / "other").append(trajectories, replace(fits, task_fingerprint="other"))
    with pytest.raises(ShardError, match="has task_fingerprint 'other', task 'tiny' has 'tiny-1'"):
        GrowingBatchBuffer(tmp_path / "other", task=tiny_task)


def test_a_renamed_shard_is_refused(buffer: GrowingBatchBuffer) -> None:
    for name in ("g001-s00009.h5", "scores.h5"):
        copy = buffer.path / name
        shutil.copy(buffer.path / "g001-s00000.h5", copy)
        with pytest.raises(ShardError, match=f"{name}' holds Grow step 1, index 0; name it 'g001-s00000.h5' or move"):
            GrowingBatchBuffer(buffer.path)
        copy.unlink()


def test_a_file_of_several_units_stands_for_each(
    buffer: GrowingBatchBuffer, trajectories: Trajectories, provenance: Provenance
) -> None:
    both = Trajectories.concatenate([trajectories, trajectories])
    merged = buffer.append(both, replace(provenance, shard_count=2))
    assert merged.name == "g001-s00000-00001.h5"
    for opened in (buffer, GrowingBatchBuffer(buffer.path)):  # the two files that it replaces are still there
        assert [shard.path.name for shard in opened.shards] == ["g001-s00000-00001.h5", "g002-s00000.h5"]
        assert [opened.has(1, unit) for unit in range(3)] == [True, True, False]
        assert len(opened) == 7
        assert opened.append(trajectories, replace(provenance, shard_index=1)) == merged
    with pytest.raises(ShardError, match=r"g001-s00001-00002\.h5' and .*g001-s00000-00001\.h5' overlap; keep one"):
        buffer.append(both, replace(provenance, shard_index=1, shard_count=2))


def test_a_token_that_the_vocabulary_lacks_is_refused_when_read(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, tiny_task: Task
) -> None:
    fits = replace(
        provenance,
        tokenizer_fingerprint=tiny_task.tokenizer.fingerprint,
        task_fingerprint=tiny_task.fingerprint,
    )
    beyond = tiny_task.tokenizer.vocab_size
    foreign = replace(trajectories, tokens=np.array([5, 0, 0, 6, beyond, 8], dtype=np.int32))
    GrowingBatchBuffer(tmp_path / "foreign").append(foreign, fits)
    data = GrowingBatchBuffer(tmp_path / "foreign", task=tiny_task).select()
    with pytest.raises(ValueError, match=f"tokens has token {beyond} at place 4, the vocabulary has {beyond}"):
        next(iter(data.batches(100, seed=0)))


def test_a_corrupt_shard_is_named(buffer: GrowingBatchBuffer) -> None:
    file = buffer.path / "g001-s00001.h5"
    content = file.read_bytes()
    file.write_bytes(content[:-100] + b"\xff" * 100)
    with pytest.raises(ShardError, match=r"g001-s00001\.h5' is corrupt"):
        buffer.verify()
    file.write_bytes(content[:1000])
    with pytest.raises(ShardError, match=r"g001-s00001\.h5' is corrupt: it has 1000 bytes where its header records"):
        GrowingBatchBuffer(buffer.path)


def test_partial_and_unrelated_files_are_ignored(buffer: GrowingBatchBuffer) -> None:
    (buffer.path / ".g001-s00002.h5.0.partial").write_bytes(b"half")
    (buffer.path / "notes.txt").write_text("notes")
    assert len(GrowingBatchBuffer(buffer.path)) == 7


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(NotADirectoryError, match="is a file; name a folder of shards"):
        GrowingBatchBuffer(tmp_path / "file")


def test_an_object_store_holds_what_a_folder_does(
    buffer: GrowingBatchBuffer,
    trajectories: Trajectories,
    provenance: Provenance,
    assert_equal: Callable[[Trajectories, Trajectories], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "writer"))
    url = "memory://growing/batch"
    stored = GrowingBatchBuffer(url)
    for shard in buffer.shards:
        stored.append(shard.read(), shard.provenance)
    RescoredShard(stored.shards[0], "other").write(np.zeros(3, dtype=np.float32), "scorer-2")
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "reader"))
    again = GrowingBatchBuffer(url)
    assert again.shards == [replace(shard, path=again.path / shard.path.name) for shard in buffer.shards]
    assert again.score_columns == ["other"]
    assert not again.path.exists()  # commits alone were read
    assert again.has(2, 0)
    assert not again.has(2, 1)
    assert_equal(again.select(Threshold(0.5)).read(), buffer.select(Threshold(0.5)).read())
    assert_equal(again.shards[0].read(), trajectories)
    assert again.select(grow_step=1).rewards.sum() == buffer.select(grow_step=1).rewards.sum()
    assert GrowingBatchBuffer(url, untrusted=True).shards == again.shards
    again.verify()
    with pytest.raises(ShardError, match=r"does not fit .*seed 3 does not go with 4"):
        again.append(trajectories, replace(provenance, shard_index=1, seed=4))

    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_: ["/growing/batch/commits/g001-s00000.h5.json"])
    late = GrowingBatchBuffer(url)
    assert [shard.path.name for shard in late.shards] == ["g001-s00000.h5", "g001-s00001.h5"]
    assert "1 shards of Grow step 1 are there and were not listed; open" in caplog.text
    MemoryFileSystem.store.clear()


def test_another_process_reads_a_column_of_an_object_store(
    buffer: GrowingBatchBuffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "mirror"))
    stored = GrowingBatchBuffer("memory://growing/columns")
    for shard in buffer.shards_of(1):
        stored.append(shard.read(), shard.provenance)
    for shard in stored.shards:
        RescoredShard(shard, "other").write(np.full(3, 0.5, dtype=np.float32), "scorer-2")
    assert sent(stored.select(scorer="other")).read().reward.tolist() == [0.5] * 6
    with pytest.raises(ShardError, match="has no rewards 'none'; name those of another scorer"):
        stored.select(scorer="none")
    MemoryFileSystem.store.clear()
