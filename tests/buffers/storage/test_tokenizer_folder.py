"""The tokenizer beside the shards."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buffers import Provenance
from buffers.storage.tokenizer_folder import keep_tokenizer, kept_tokenizer, tokenizer_folder
from seq2seq_env.tasks.task import Task
from tests.conftest import PretrainedTask


def test_a_tokenizer_comes_back(tiny_task: Task, tmp_path: Path) -> None:
    keep_tokenizer(tmp_path / "buffer", tiny_task.tokenizer)
    (folder,) = (tmp_path / "buffer").iterdir()
    assert folder.name == tokenizer_folder(tiny_task.tokenizer)
    assert folder.name.removeprefix("tokenizer-") == tiny_task.tokenizer.fingerprint[:12]
    back = kept_tokenizer(tmp_path / "buffer", folder.name)
    assert back is not None
    assert back.fingerprint == tiny_task.tokenizer.fingerprint


def test_a_pretrained_one_comes_back(pretrained_task: Callable[[str], PretrainedTask], tmp_path: Path) -> None:
    tokenizer = pretrained_task("marian").tokenizer
    keep_tokenizer(tmp_path, tokenizer)
    back = kept_tokenizer(tmp_path, tokenizer_folder(tokenizer))
    assert back is not None
    assert back.fingerprint == tokenizer.fingerprint


def test_one_that_is_there_is_left_alone(tiny_task: Task, tmp_path: Path) -> None:
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    (file,) = tmp_path.rglob("tokenizer.json")
    before = file.stat().st_mtime_ns
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("text", ["{", None])
def test_one_that_is_corrupt_is_written_anew(
    text: str | None, tiny_task: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    (file,) = tmp_path.rglob("tokenizer.json")
    whole = file.read_text()
    other = whole.replace('"one"', '"uno"', 1)  # reads well, as another tokenizer
    file.write_text(other if text is None else text)
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert file.read_text() == whole
    assert [folder.name for folder in tmp_path.iterdir()] == [tokenizer_folder(tiny_task.tokenizer)]
    assert "; it is written anew now" in caplog.text


def test_one_that_is_corrupt_stays_where_no_other_can_be_written(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    (file,) = tmp_path.rglob("tokenizer.json")
    file.write_text("{")

    def fail(folder: Path) -> None:
        raise Exception("File too large (os error 27)")  # as the library tokenizers does

    monkeypatch.setattr(tiny_task.tokenizer, "save", fail)
    message = f"'{file.parent}' cannot be written (File too large (os error 27)); make room or choose another place"
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert [path.name for path in tmp_path.rglob("*")] == [file.parent.name, file.name]


def test_another_process_may_be_faster(tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        keep_tokenizer(tmp_path, tiny_task.tokenizer)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert [folder.name for folder in tmp_path.iterdir()] == [tokenizer_folder(tiny_task.tokenizer)]


def test_a_write_that_fails_leaves_nothing(tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(tiny_task.tokenizer, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_it_is_on_the_disk_before_it_has_its_name(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    named: set[int] = set()
    rename = Path.rename
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))

    def note(self: Path, target: Path) -> Path:
        named.update(path.stat().st_ino for path in (self, *self.rglob("*")))
        assert named <= synced
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", note)
    monkeypatch.setattr(tiny_task.tokenizer, "save", lambda folder: (folder / "tokenizer.json").write_text("{}"))
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert len(named) == 2
    assert tmp_path.stat().st_ino in synced


def test_what_a_killed_writer_left_goes_with_the_next(tiny_task: Task, tmp_path: Path) -> None:
    left = tmp_path / f".{tokenizer_folder(tiny_task.tokenizer)}.1234.partial"
    left.mkdir()
    (left / "tokenizer.json").write_text("half of a t")
    keep_tokenizer(tmp_path, tiny_task.tokenizer)
    assert [folder.name for folder in tmp_path.iterdir()] == [tokenizer_folder(tiny_task.tokenizer)]


def test_where_none_is_kept_there_is_none(tmp_path: Path) -> None:
    assert kept_tokenizer(tmp_path, "") is None
    assert kept_tokenizer(tmp_path, "tokenizer-0123") is None


@pytest.mark.parametrize("name", ["../other", "/etc", ".hidden", "a/b", "a\n"])
def test_a_shard_names_no_other_place(provenance: Provenance, name: str) -> None:
    with pytest.raises(ValueError, match=r"tokenizer_folder is .*; give the name of a folder beside the shard"):
        replace(provenance, tokenizer_folder=name)
