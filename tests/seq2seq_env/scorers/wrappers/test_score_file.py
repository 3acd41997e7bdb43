"""A file of scores that is corrupt, foreign, gone or locked."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seq2seq_env.scorers.wrappers.score_file
from seq2seq_env.scorers import CachedScorer
from tests.digest_scorer import Digest, bits


def filled(path: Path) -> tuple[list[str], list[int]]:
    texts = [str(i) for i in range(40)]
    cached = CachedScorer(Digest(), path)
    scores = bits(cached.score(texts, texts))
    return texts, scores


@settings(derandomize=True, deadline=None, max_examples=150)
@given(place=st.integers(0, 2**13 - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_corruption_is_an_error_or_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int, cut: bool
) -> None:
    path = tmp_path_factory.mktemp("cache") / "scores.sqlite"
    texts, scores = filled(path)
    content = bytearray(path.read_bytes())
    assert len(content) == 2**13
    content[place] ^= flip
    path.write_bytes(content[:place] if cut else content)
    cached = CachedScorer(Digest(), path)
    try:
        found = bits(cached.score(texts, texts))
    except (ValueError, OSError) as error:
        assert re.search(rf"{re.escape(repr(str(path)))}.*; .*name another path", str(error))  # noqa: PT017
    else:
        assert found == scores


def test_corruption_of_the_names_in_it_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    texts, _ = filled(path)
    content = path.read_bytes()
    assert b"tablescores" in content
    path.write_bytes(content.replace(b"tablescores", b"tablesc\xefres"))
    with pytest.raises(ValueError, match=f"'{path}' is no score cache, or a corrupt one .*; delete it or name another"):
        CachedScorer(Digest(), path).score(texts, texts)


def test_a_changed_score_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    texts, _ = filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE scores SET value = (SELECT value FROM scores ORDER BY key LIMIT 1)")
    connection.close()
    with pytest.raises(ValueError, match=f"score cache '{path}' is corrupt .*; delete it or name another path"):
        CachedScorer(Digest(), path).score(texts, texts)


def test_foreign_files_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    path.write_text("source\thypothesis\tscore\n" * 50)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=rf"'{path}' is no score cache.*; delete it or name another path"):
        CachedScorer(Digest(), path).score(["a"], ["x"])
    assert path.read_bytes() == content

    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE scores (key BLOB PRIMARY KEY, value BLOB)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(ValueError, match=f"'{path}' is a database but no score cache; name another path"):
        CachedScorer(Digest(), path).score(["a"], ["x"])
    assert path.read_bytes() == content


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    path.touch()
    CachedScorer(Digest(), path).score(["a"], ["x"])
    cached = CachedScorer(Digest(), path)
    cached.score(["a"], ["x"])
    assert cached.hits == 1


@pytest.mark.parametrize("path", ["no/such/folder/scores.sqlite", "file/scores.sqlite", "folder", "/proc/s.sqlite"])
def test_a_path_that_cannot_be_a_file_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    cached = CachedScorer(Digest(), tmp_path / path)
    sentence = "see that its folder is there, writable and not full, or name another path"
    with pytest.raises(OSError, match=f"score cache '{re.escape(str(tmp_path / path))}' cannot be used .*; {sentence}"):
        cached.score(["a"], ["x"])


def test_a_deleted_file_is_made_again_and_a_deleted_folder_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    cached = CachedScorer(Digest(), folder / "scores.sqlite", max_entries=1)
    cached.score(["a"], ["x"])
    (folder / "scores.sqlite").unlink()
    cached.score(["b"], ["x"])
    other = CachedScorer(Digest(), folder / "scores.sqlite")
    other.score(["a", "b"], ["x", "x"])
    assert (other.hits, other.misses) == (1, 1)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="see that its folder is there"):
        cached.score(["c"], ["x"])
    folder.mkdir()
    cached.score(["c"], ["x"])


def test_a_file_locked_for_long_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seq2seq_env.scorers.wrappers.score_file, "_LOCK_TIMEOUT_S", 0.05)
    path = tmp_path / "scores.sqlite"
    filled(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    cached = CachedScorer(Digest(), path)
    assert cached.score(["1"], ["1"]).shape == (1,)  # reading waits for no writer
    with pytest.raises(TimeoutError, match=f"kept score cache '{path}' locked .*; end it or name another path"):
        cached.score(["new"], ["x"])
    holder.close()
    cached.score(["new"], ["x"])


def test_an_interrupt_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> bytes:
        raise KeyboardInterrupt

    cached = CachedScorer(Digest(), tmp_path / "scores.sqlite")
    with monkeypatch.context() as patched:
        patched.setattr(seq2seq_env.scorers.wrappers.score_file, "_with_checksum", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached.score(["a"], ["x"])
    CachedScorer(Digest(), tmp_path / "scores.sqlite").score(["a"], ["x"])
    cached.score(["b"], ["x"])
