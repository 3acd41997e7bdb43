"""Commit of the clone that the packages are run from: which code a result is of."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

UNKNOWN = "unknown"

CHANGED = "-changed"
"""Behind the commit where files that it has were changed since."""


@cache
def commit(root: Path = ROOT) -> str:
    """Hexadecimal name of the commit, with :data:`CHANGED` behind it where it is not what runs.

    Args:
        root: Folder that the packages lie in; outside of a clone of its own the commit is :data:`UNKNOWN`.
    """
    place = _git(root, "rev-parse", "--show-toplevel")
    # A repository further up is somebody else's: an environment within their clone.
    if place is None or Path(place).resolve() != root.resolve():
        return UNKNOWN
    name, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--untracked-files=no")
    return UNKNOWN if name is None else name + (CHANGED if changes else "")


def _git(root: Path, *arguments: str) -> str | None:
    """What a command of git prints; None where it fails, or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
