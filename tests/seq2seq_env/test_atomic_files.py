from __future__ import annotations

import json
import math
import os
from pathlib import Path
from threading import Thread

import pytest

from seq2seq_env.atomic_files import finite, naming, read_json, write_json, write_text, written_folder
from tests.full_disk import full_disk


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"a": object()})
    with full_disk(10), pytest.raises(OSError, match=r"results.json' cannot be written \(File too large\); make room"):
        write_text(path, "x" * 100)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


def test_json_has_null_for_what_is_no_number(tmp_path: Path) -> None:
    assert finite({"a": [1.5, math.nan, (math.inf, 2)], "b": "nan", "c": None}) == {
        "a": [1.5, None, [None, 2]], "b": "nan", "c": None,
    }  # fmt: skip
    write_json(tmp_path / "a.json", {"reward": math.nan})
    assert (tmp_path / "a.json").read_text() == '{\n  "reward": null\n}\n'


def test_many_may_write_one_file(tmp_path: Path) -> None:
    path, errors = tmp_path / "usage.json", list[Exception]()

    def write() -> None:
        try:
            for number in range(40):
                write_json(path, {"seconds": number})
        except OSError as error:
            errors.append(error)

    writers = [Thread(target=write) for _ in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert errors == []
    assert [each.name for each in tmp_path.iterdir()] == ["usage.json"]


def test_a_folder_that_cannot_be_written_keeps_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    for content in ("one", "two"):
        with written_folder(folder, last="a") as part:
            (part / "a").write_text(content)
            (part / "b").write_text(content)

    def fail() -> None:
        with written_folder(folder, last="a") as part:
            (part / "a").write_text("three")
            raise OSError("no space left")

    with pytest.raises(OSError, match=r"policy' cannot be written \(no space left\); make room"):
        fail()
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"a": "two", "b": "two"}
    assert [each.name for each in tmp_path.iterdir()] == ["policy"]


def test_a_folder_within_takes_the_place_of_one_that_has_files(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with written_folder(tmp_path / "data", last="manifest.json") as part:
            (part / "tokenizer").mkdir()
            (part / "tokenizer" / content).touch()
    assert [file.name for file in (tmp_path / "data/tokenizer").iterdir()] == ["two"]


def test_the_folder_may_be_the_one_that_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with written_folder(Path(), last="a") as part:
        (part / "a").touch()
    assert [file.name for file in here.iterdir()] == ["a"]
    assert [each.name for each in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("content", ["", "{", "\0"])
def test_a_corrupt_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text(content)
    with pytest.raises(ValueError, match=r"agent.json' is corrupt \(.*\); make it anew"):
        read_json(tmp_path / "agent.json")


def test_errors_of_others_keep_their_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), naming(tmp_path):
        raise ValueError("mine")


def test_a_kill_among_the_renames_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "policy", Path.replace

    def save(content: str) -> None:
        with written_folder(folder, last="last") as part:
            for name in ("a", "b", "last"):
                (part / name).write_text(content)

    def killed(path: Path, target: Path) -> Path:
        if any(file.read_text() == "new" for file in folder.iterdir()):
            raise KeyboardInterrupt
        return rename(path, target)

    save("old")
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save("new")
    assert sorted((folder / name).read_text() for name in ("a", "b")) == ["new", "old"]
    assert not (folder / "last").exists()


def test_the_files_of_a_folder_are_on_the_disk_before_they_have_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    with written_folder(tmp_path / "policy", last="a") as part:
        (part / "a").touch()
        (part / "tokenizer").mkdir()
        (part / "tokenizer" / "b").touch()
    assert synced >= {path.stat().st_ino for path in (tmp_path / "policy").rglob("*")}
