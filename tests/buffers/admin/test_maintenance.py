from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from buffers import (
    GrowingBatchBuffer,
    Provenance,
    Shard,
    ShardError,
    Trajectories,
    write_shard,
)
from buffers.storage.container import publish_folder
from buffers.storage.object_store import ObjectStore
from buffers.storage.reward_columns import RescoredShard
from buffers.storage.tokenizer_folder import tokenizer_folder
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import Run, contents, corrupt


def test_info_tells_what_is_there_and_what_is_missing(folder: Path, run: Run, trajectories: Trajectories) -> None:
    code, shown = run("info", folder)
    assert code == 0
    assert "2 shards" in shown
    assert "unfinished: shards 1 are missing" in shown
    code, shown = run("info", folder, "--json")
    (step,) = json.loads(shown)
    assert step["trajectories"] == 2 * len(trajectories)
    assert step["tokens"] == 2 * len(trajectories.tokens)
    assert step["mean_reward"] == pytest.approx(float(trajectories.reward.mean()))
    assert sum(step["reward_histogram"]) == 2 * len(trajectories)
    assert step["missing_shards"] == [1]
    assert step["bytes"] == sum(file.stat().st_size for file in folder.iterdir())


def test_verify_finds_one_changed_byte(folder: Path, run: Run) -> None:
    assert run("verify", folder) == (0, f"{folder}: every shard is whole, 2 in all\n")
    corrupt(sorted(folder.iterdir())[1])
    code, shown = run("verify", folder)
    assert code == 1
    assert "s00002.h5' is corrupt" in shown
    assert "python -m buffers repair" in shown
    code, shown = run("verify", folder, "--untrusted")
    assert code == 1
    assert "s00002.h5' is corrupt" in shown
    assert f"next: python -m buffers repair {folder} --untrusted" in shown
    code, shown = run("verify", folder, "--json")
    assert (code, [found["file"][-9:] for found in json.loads(shown)]) == (1, ["s00002.h5"])


def test_verify_of_no_shard_is_no_success(tmp_path: Path, run: Run) -> None:
    code, _ = run("verify", tmp_path)
    assert code == f"error: there is no shard in {str(tmp_path)!r}; name the folder of a buffer"


@pytest.mark.parametrize("options", [(), ("--untrusted",)])
def test_a_shard_of_another_release_is_told_and_stays(
    options: tuple[str, ...],
    folder: Path,
    run: Run,
    trajectories: Trajectories,
    provenance: Provenance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corrupt(sorted(folder.iterdir())[1])
    with monkeypatch.context() as older:
        older.setattr("buffers.storage.shard.SCHEMA_VERSION", 6)
        write_shard(folder / "g000-s00000.h5", trajectories, replace(provenance, grow_step=0))
    before = contents(folder)
    sentence = f"shard {str(folder / 'g000-s00000.h5')!r} has schema version 6, this release reads 7; read it with"
    code, shown = run("verify", folder, *options)
    assert code == 1
    assert sentence in shown
    assert "s00002.h5' is corrupt" in shown
    assert "next: " not in shown
    found = json.loads(run("verify", folder, "--json", *options)[1])
    assert [each["is_other_schema"] for each in found] == [True, False]
    code, _ = run("repair", folder, *options)
    assert str(code).startswith(f"error: {sentence}")
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda text: text.replace('"one"', '"uno"', 1), "the shards beside it are of {own}; delete it, and the next"),
        (lambda text: text[:50], "is corrupt"),
        (lambda text: None, "is corrupt"),
    ],
)
def test_a_tokenizer_that_is_not_the_shards_is_found_and_quarantined(
    edit: Callable[[str], str | None],
    problem: str,
    run: Run,
    trajectories: Trajectories,
    provenance: Provenance,
    tiny_task: Task,
    tmp_path: Path,
) -> None:
    buffer, name = GrowingBatchBuffer(tmp_path), tokenizer_folder(tiny_task.tokenizer)
    own = tiny_task.tokenizer.fingerprint
    named = replace(provenance, num_sources=2, tokenizer_folder=name, tokenizer_fingerprint=own)
    buffer.append(trajectories, named)
    assert run("verify", tmp_path)[0] == 0  # of a tokenizer that nobody kept nothing is said
    buffer.keep_tokenizer(tiny_task.tokenizer)
    assert run("verify", tmp_path)[0] == 0
    (file,) = (tmp_path / name).iterdir()
    text = edit(file.read_text())
    file.unlink() if text is None else file.write_text(text)
    code, shown = run("verify", tmp_path)
    assert code == 1
    assert f"tokenizer {str(tmp_path / name)!r} is " in shown
    assert problem.format(own=own[:12]) in shown
    assert "next: python -m buffers repair" in shown
    assert f"moved {name} to {tmp_path / 'quarantine'}" in run("repair", tmp_path)[1]
    buffer.keep_tokenizer(tiny_task.tokenizer)
    assert run("verify", tmp_path)[0] == 0


def test_repair_quarantines_what_is_corrupt_and_says_what_to_grow(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[1]
    corrupt(broken)
    content = broken.read_bytes()
    code, shown = run("repair", folder)
    assert code == 0
    assert "lacks shards 1, 2; the same Grow makes them again" in shown
    assert (folder / "quarantine" / broken.name).read_bytes() == content
    assert len(GrowingBatchBuffer(folder).shards) == 1
    assert run("verify", folder)[0] == 0
    assert json.loads(run("repair", folder, "--json")[1])["quarantined"] == []
    corrupt(broken.parent / sorted(file.name for file in folder.iterdir() if file.is_file())[0])
    run("repair", folder, "--untrusted")
    assert run("info", folder) == (0, f"{folder}: no shard yet; buffers.grow makes them\n")


def test_repair_deletes_what_killed_writers_left(folder: Path, run: Run) -> None:
    column = folder / "scores" / "other"
    column.mkdir(parents=True)
    left = [folder / ".g001-s00001.h5.1234.partial", column / ".g001-s00002.h5.1234.partial"]
    for file in left:
        file.write_text("half of a sh")
    code, shown = run("repair", folder)
    assert code == 0
    assert "deleted .g001-s00001.h5.1234.partial: its writer was killed" in shown
    assert "deleted scores/other/.g001-s00002.h5.1234.partial" in shown
    assert not any(file.exists() for file in left)
    left[1].write_text("half of a sh")
    assert json.loads(run("repair", folder, "--json")[1])["deleted"] == ["scores/other/.g001-s00002.h5.1234.partial"]


def test_repair_deletes_a_tokenizer_that_a_killed_writer_began(folder: Path, run: Run, tiny_task: Task) -> None:
    left = folder / ".tokenizer-1.1234.partial"
    left.mkdir()
    (left / "tokenizer.json").write_text("half of a t")
    elsewhere = folder / ".export.1234.partial"
    elsewhere.mkdir()

    def save(partial: Path) -> None:
        (partial / ".tokenizer.json.1234.partial").write_text("half of a t")
        # While this writer lives.
        assert json.loads(run("repair", folder, "--json")[1])["deleted"] == [".tokenizer-1.1234.partial"]
        assert len([*partial.iterdir()]) == 1

    publish_folder(folder / "tokenizer-2", save)
    assert (folder / "tokenizer-2").is_dir()
    assert elsewhere.is_dir()
    assert not left.exists()


def test_repair_does_not_overwrite_what_is_in_quarantine(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[0]
    (folder / "quarantine").mkdir()
    (folder / "quarantine" / broken.name).write_text("kept")
    corrupt(broken)
    code, _ = run("repair", folder)
    assert "is in quarantine already" in str(code)
    assert broken.exists()
    assert (folder / "quarantine" / broken.name).read_text() == "kept"


@pytest.mark.parametrize("options", [(), ("--untrusted",)])
def test_verify_lists_every_corrupt_object_of_a_store(
    options: tuple[str, ...], folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "mirror"))
    url, files = f"memory://{tmp_path.name}/buffer", MemoryFileSystem()
    stored = GrowingBatchBuffer(url)
    for shard in GrowingBatchBuffer(folder).shards:
        stored.append(shard.read(), shard.provenance)
    for name in ("one", "other", "third"):
        RescoredShard(stored.shards[0], name).write(np.zeros(3, dtype=np.float32), "scorer-2")
    assert run("verify", url, *options)[0] == 0
    first, second = (shard.path.name for shard in stored.shards)
    for name in (second, f"scores/one/{first}"):
        content = files.cat_file(f"/{tmp_path.name}/buffer/{name}")
        files.pipe_file(f"/{tmp_path.name}/buffer/{name}", content[:-1] + bytes([content[-1] ^ 1]))
    files.pipe_file(f"/{tmp_path.name}/buffer/commits/scores/other/{first}.json", b"{")
    code, shown = run("verify", url, "--json", *options)
    assert code == 1
    found = {each["file"]: each["problem"] for each in json.loads(shown)}
    assert [*found] == [second, f"scores/one/{first}", f"scores/other/{first}"]
    assert "is corrupt" in found[second]
    assert "is no commit" in found[f"scores/other/{first}"]


def test_a_commit_that_is_listed_and_not_there_is_reported(
    path: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "mirror"))
    url, listed = f"memory://{tmp_path.name}/buffer", ObjectStore.listed
    shard = Shard.open(path)
    GrowingBatchBuffer(url).append(shard.read(), shard.provenance)
    monkeypatch.setattr(ObjectStore, "listed", lambda store: [*listed(store), "g001-s00009.h5"])
    code, shown = run("verify", url, "--json")
    assert code == 1
    (found,) = json.loads(shown)
    assert found["file"] == "g001-s00009.h5"
    assert "is listed in ObjectStore" in found["problem"]
    assert "its commit is not there" in found["problem"]


@pytest.mark.parametrize(
    ("fact", "value"),
    [("num_tokens", 7), ("num_trajectories", 2), ("num_sources", 1), ("contents_sha256", "x"), ("seed", 9)],
)
def test_a_commit_that_says_something_else_than_its_file_is_found(
    path: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fact: str, value: object
) -> None:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "mirror"))
    url, files = f"memory://{tmp_path.name}/buffer", MemoryFileSystem()
    shard = Shard.open(path)
    GrowingBatchBuffer(url).append(shard.read(), shard.provenance)
    place = f"/{tmp_path.name}/buffer/commits/{path.name}.json"
    commit = json.loads(files.cat_file(place))
    (commit["facts"] if fact in commit["facts"] else commit["facts"]["provenance"])[fact] = value
    files.pipe_file(place, json.dumps(commit).encode())
    wanted = f"{path.name}' in .* is committed with {fact} {value!r}, and its file has .*; delete its commit"
    for options in ((), ("--untrusted",)):
        code, shown = run("verify", url, "--json", *options)
        assert code == 1
        [found] = json.loads(shown)
        assert re.search(wanted, found["problem"])
    with pytest.raises(ShardError, match=wanted):
        GrowingBatchBuffer(url).verify()
    with pytest.raises(ShardError, match=wanted):
        GrowingBatchBuffer(url, untrusted=True)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("g001-s00007.h5", {}, "holds Grow step 1, index 3; name it 'g001-s00003.h5' or move it out of the folder"),
        ("g001-s00003.h5", {"seed": 9}, "seed 3 does not go with 9; use another folder or the settings that made it"),
        ("g001-s00002-00003.h5", {"shard_index": 2, "shard_count": 2}, "overlap; keep one of them, and grow what is"),
    ],
)
def test_a_shard_that_does_not_go_with_the_others_is_told_and_stays(
    run: Run, trajectories: Trajectories, provenance: Provenance, tmp_path: Path,
    name: str, changes: dict[str, Any], problem: str,
) -> None:  # fmt: skip
    made = replace(provenance, num_sources=6, sources_per_shard=1)
    buffer = GrowingBatchBuffer(tmp_path)
    for index, count in ((0, 1), (1, 2), (4, 1)):
        buffer.append(trajectories, replace(made, shard_index=index, shard_count=count))
    write_shard(tmp_path / name, trajectories, replace(made, **{"shard_index": 3, **changes}))
    code, shown = run("verify", tmp_path)
    assert (code, problem in shown, "next: " in shown) == (1, True, False)
    found = json.loads(run("verify", tmp_path, "--untrusted", "--json")[1])
    assert [(each["file"], each["is_misfit"]) for each in found] == [(name, True)]
    corrupt(tmp_path / "g001-s00004.h5")
    assert f"next: python -m buffers repair {tmp_path}" in run("verify", tmp_path)[1]
    code, shown = run("repair", tmp_path)
    assert code == 1
    assert f"moved g001-s00004.h5 to {tmp_path / 'quarantine'}: " in shown
    assert f"left {name} where it is: shard" in shown
    assert problem in shown
    code, shown = run("repair", tmp_path, "--json")
    assert (code, [each["file"] for each in json.loads(shown)["misfits"]]) == (1, [name])
    (tmp_path / name).unlink()
    assert run("repair", tmp_path) == (0, "Grow step 1 lacks shards 3, 4, 5; the same Grow makes them again\n")


def test_folders_of_others_among_the_columns_are_left_alone(folder: Path, run: Run, tmp_path: Path) -> None:
    for shard in GrowingBatchBuffer(folder).shards:
        RescoredShard(shard, "other").write(1 - shard.column("reward"), "scorer-2")
    strange = folder / "scores" / ".ipynb_checkpoints"
    strange.mkdir()
    (strange / "g001-s00000.h5").write_text("a copy of what a notebook showed")
    assert json.loads(run("info", folder, "--json")[1])[0]["columns"] == {"other": 2}
    assert run("verify", folder) == (0, f"{folder}: every shard is whole, 2 in all\n")
    assert run("export", folder, "--to", "jsonl", "--out", tmp_path / "made.jsonl")[0] == 0
    GrowingBatchBuffer(folder).verify()


def test_of_compacted_files_no_pace_is_told(
    run: Run, trajectories: Trajectories, provenance: Provenance, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path)
    for index in (0, 1, 3):
        buffer.append(trajectories, replace(provenance, num_sources=10, shard_index=index))
    assert "shards 2, 4 are missing, 0:00:0" in run("info", tmp_path)[1]
    run("compact", tmp_path)
    assert run("info", tmp_path)[1].endswith("unfinished: shards 2, 4 are missing\n")
    assert json.loads(run("info", tmp_path, "--json")[1])[0]["seconds_per_shard"] is None
