"""Entries of an object store, of one that keeps what it is given and of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from buffers import ShardError
from buffers.storage.object_store import ObjectStore, local_folder, object_store
from tests.pickling import sent


class Unreliable(MemoryFileSystem):  # type: ignore[misc]
    """Loses writes of some names, and lists nothing where it is late."""

    protocol = "unreliable"
    lost: str | None = None
    late = False

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        if self.lost is None or not re.search(self.lost, path):
            super().pipe_file(path, value, **options)

    def find(self, path: str, *arguments: Any, **options: Any) -> Any:
        return [] if self.late else super().find(path, *arguments, **options)


@pytest.fixture(autouse=True)
def emptied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("unreliable", Unreliable, clobber=True)
    yield
    MemoryFileSystem.store.clear()
    Unreliable.lost, Unreliable.late = None, False


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store with one entry of two files."""
    made = ObjectStore("unreliable://bucket/buffer", tmp_path / "mirror", patience=0.1)
    (made.folder / "words").mkdir(parents=True)
    for name in ("words/a.txt", "words/b.txt"):
        (made.folder / name).write_text(name)
    made.publish("words", ["words/a.txt", "words/b.txt"], {"count": 2})
    return made


def test_a_mirror_without_a_home_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SEQ2SEQ_ENV_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(OSError, match=r"as there is no home \(Could not .*\); set SEQ2SEQ_ENV_CACHE to a folder$"):
        ObjectStore("memory://bucket/buffer")


def test_an_entry_comes_back_on_another_machine(store: ObjectStore, tmp_path: Path) -> None:
    assert sent(store).folder == store.folder
    other = ObjectStore("unreliable://bucket/buffer/", tmp_path / "other")
    assert other.entries() == ["words"]
    assert other.known["words"].facts == {"count": 2}
    assert not (other.folder / "words").exists()
    other.fetch_all(["words", "nothing"])
    assert (other.folder / "words" / "b.txt").read_text() == "words/b.txt"
    (other.folder / "words" / "b.txt").write_text("short")
    assert other.fetch("words")
    assert (other.folder / "words" / "b.txt").read_text() == "words/b.txt"


@pytest.mark.parametrize("lost", [r"/c\.txt$", r"/commits/c\.json$"])
def test_a_lost_write_publishes_nothing(store: ObjectStore, lost: str) -> None:
    (store.folder / "c.txt").write_text("c")
    Unreliable.lost = lost
    with pytest.raises(OSError, match=r"was written, and the store does not give it back within 0\.1 s: it loses"):
        store.publish("c", ["c.txt"])
    assert store.entries() == ["words"]
    Unreliable.lost = None
    store.publish("c", ["c.txt"])
    assert store.entries() == ["c", "words"]


def test_what_the_store_loses_or_changes_later_is_noticed(store: ObjectStore, tmp_path: Path) -> None:
    files = fsspec.filesystem("unreliable")
    files.pipe_file(f"{store.url}/words/a.txt", b"words/A.txt")
    with pytest.raises(ShardError, match=r"words/a\.txt' is corrupt: its 11 bytes do not have the sha256"):
        store.check("words")
    files.rm(f"{store.url}/words/a.txt")
    other = ObjectStore(store.url, tmp_path / "other")
    with pytest.raises(ShardError, match=r"words/a\.txt' is lost: its commit is there, and the file is not"):
        other.fetch("words")
    assert not (other.folder / "commits").exists()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"sizes": {"../a": 1}, "sha256": {"../a": "0"}}'])
def test_a_corrupt_commit_is_refused(store: ObjectStore, content: bytes) -> None:
    fsspec.filesystem("unreliable").pipe_file(f"{store.url}/commits/words.json", content)
    with pytest.raises(ShardError, match=r"commits/words\.json' is no commit"):
        store.entries()


def test_other_contents_under_a_name_are_refused(store: ObjectStore, tmp_path: Path) -> None:
    other = ObjectStore(store.url, tmp_path / "other")
    (other.folder / "words").mkdir(parents=True)
    (other.folder / "words" / "a.txt").write_text("other")
    with pytest.raises(ShardError, match="was published with other contents by another worker"):
        other.publish("words", ["words/a.txt"])
    store.check("words")


def test_what_names_no_store_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'s3:/bucket/buffer' lacks a slash"):
        object_store(Path("s3://bucket/buffer"))
    assert object_store(tmp_path) is None
    assert object_store("file:///data/buffer") is None
    assert local_folder("file:///data/buffer") == Path("/data/buffer")
    with pytest.raises(ImportError, match="needs a library of its own"):
        ObjectStore("dropbox://buffer", tmp_path).entries()
    with pytest.raises(OSError, match=r"'nowhere://buffer' cannot be read \(Protocol not known: nowhere\); check"):
        ObjectStore("nowhere://buffer", tmp_path).entries()
