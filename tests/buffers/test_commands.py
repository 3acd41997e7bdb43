"""``python -m buffers``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import buffers.__main__
from buffers import GrowingBatchBuffer, Provenance, Trajectories, grow
from buffers.__main__ import main
from buffers.grow import Sampler
from seq2seq_env.tasks.task import Task

Run = Callable[..., tuple[int | str, str]]


@pytest.fixture
def folder(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    """Two of three shards of a Grow step."""
    made = replace(provenance, num_sources=3, sources_per_shard=1)
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    for index in (0, 2):
        buffer.append(trajectories, replace(made, shard_index=index))
    return tmp_path / "buffer"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int | str, str]:
        monkeypatch.setattr("sys.argv", ["python -m buffers", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return 0 if code is None else code, capsys.readouterr().out

    return call


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


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
    damage(sorted(folder.iterdir())[1])
    code, shown = run("verify", folder)
    assert code == 1
    assert "s00002.h5' is damaged" in shown
    assert "python -m buffers repair" in shown
    code, shown = run("verify", folder, "--json")
    assert (code, [finding["file"][-9:] for finding in json.loads(shown)]) == (1, ["s00002.h5"])


def test_repair_sets_aside_what_is_damaged_and_says_what_to_grow(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[1]
    damage(broken)
    content = broken.read_bytes()
    code, shown = run("repair", folder)
    assert code == 0
    assert "lacks shards 1, 2; the same Grow makes them again" in shown
    assert (folder / "damaged" / broken.name).read_bytes() == content
    assert len(GrowingBatchBuffer(folder).shards) == 1
    assert run("verify", folder)[0] == 0
    assert json.loads(run("repair", folder, "--json")[1])["set_aside"] == []
    damage(broken.parent / sorted(file.name for file in folder.iterdir() if file.is_file())[0])
    run("repair", folder)
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


def test_repair_does_not_overwrite_what_was_set_aside(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[0]
    (folder / "damaged").mkdir()
    (folder / "damaged" / broken.name).write_text("kept")
    damage(broken)
    code, _ = run("repair", folder)
    assert "was set aside before" in str(code)
    assert broken.exists()
    assert (folder / "damaged" / broken.name).read_text() == "kept"


def test_compact_merges_and_says_so(folder: Path, run: Run, trajectories: Trajectories, provenance: Provenance) -> None:
    made = replace(provenance, num_sources=3, sources_per_shard=1, shard_index=1)
    GrowingBatchBuffer(folder).append(trajectories, made)
    code, shown = run("compact", folder, "--trajectories-per-file", 2 * len(trajectories))
    assert (code, shown) == (0, f"{folder}: 3 files before, 2 now, 1 of them made by this call\n")
    record = json.loads(run("compact", folder, "--json")[1])
    assert record == {"files_before": 2, "files_after": 1, "merged": ["g001-s00000-00002.h5"]}
    (step,) = json.loads(run("info", folder, "--json")[1])
    assert (step["shards"], step["missing_shards"], step["trajectories"]) == (1, [], 3 * len(trajectories))


def test_rescore_adds_a_column_that_info_shows_and_repair_heals(
    run: Run,
    sampler: Sampler,
    fake_scorer: Any,
    tiny_task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = GrowingBatchBuffer(tmp_path / "grown", task=tiny_task)
    settings: dict[str, Any] = {"candidates": 2, "temperature": 0.8, "seed": 0, "progress": False}
    grow(sampler, fake_scorer, tiny_task, buffer, grow_step=1, sources_per_shard=12, **settings)
    monkeypatch.setattr(buffers.__main__, "load_task", {"tiny": tiny_task}.__getitem__)
    monkeypatch.setattr(buffers.__main__, "load_scorer", lambda name, device: {"other": fake_scorer}[name])
    code, shown = run("rescore", buffer.path, "--scorer", "other", "--name", "again")
    assert code == 0
    assert "2 shards scored as 'again'" in shown
    record = json.loads(run("rescore", buffer.path, "--scorer", "other", "--name", "again", "--json")[1])
    assert (record["shards_written"], record["mean_reward"]) == (0, pytest.approx(record["before"]))
    assert "rewards 'again' of another scorer: 2 of 2 files" in run("info", buffer.path)[1]
    column = buffer.path / "scores" / "again" / "g001-s00001.h5"
    damage(column)
    assert "again/g001-s00001.h5" in run("verify", buffer.path)[1]
    run("repair", buffer.path)
    assert (buffer.path / "damaged" / "scores" / "again" / "g001-s00001.h5").exists()
    assert not column.exists()
    assert json.loads(run("info", buffer.path, "--json")[1])[0]["columns"] == {"again": 1}
    assert "1 shards scored as 'again'" in run("rescore", buffer.path, "--scorer", "other", "--name", "again")[1]
    assert run("verify", buffer.path)[0] == 0


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, run: Run) -> None:
    for command in (("info",), ("verify",), ("repair",), ("compact",), ("rescore", "--scorer", "phrasebook-qe")):
        code, _ = run(command[0], tmp_path / "nowhere", *command[1:])
        assert str(code).startswith("error: there is no folder")
