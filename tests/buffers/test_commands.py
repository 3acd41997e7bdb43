"""``python -m buffers``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buffers import GrowingBatchBuffer, Provenance, Trajectories
from buffers.__main__ import main

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


def test_repair_does_not_overwrite_what_was_set_aside(folder: Path, run: Run) -> None:
    broken = sorted(folder.iterdir())[0]
    (folder / "damaged").mkdir()
    (folder / "damaged" / broken.name).write_text("kept")
    damage(broken)
    code, _ = run("repair", folder)
    assert "was set aside before" in str(code)
    assert broken.exists()
    assert (folder / "damaged" / broken.name).read_text() == "kept"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, run: Run) -> None:
    for command in ("info", "verify", "repair"):
        code, _ = run(command, tmp_path / "nowhere")
        assert str(code).startswith("error: there is no folder")
