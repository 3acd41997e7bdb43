from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from buffers import (
    GrowingBatchBuffer,
    Shard,
    ShardError,
    Trajectories,
)
from buffers.storage.container import publish_folder
from buffers.storage.reward_columns import RescoredShard
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import Run, corrupt


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
    assert run("verify", folder)[0] == 0
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
