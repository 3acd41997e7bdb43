"""The commit that a result is of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from experiments.runs.commit import commit


def test_the_commit_is_that_of_the_clone_and_says_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit(tmp_path) == "unknown"
    clone = tmp_path / "clone"
    (clone / "within").mkdir(parents=True)
    file = clone / "code.py"
    file.write_text("1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(clone), *arguments], check=True)
    name = commit(clone)
    assert len(name) == 40
    assert commit(clone / "within") == "unknown"  # somebody else's repository further up
    commit.cache_clear()
    file.write_text("2")
    assert commit(clone) == f"{name}-changed"
    commit.cache_clear()
