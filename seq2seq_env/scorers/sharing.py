"""Shared scorers: all environments of a process that name one scorer have it once, while one of them lives."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from seq2seq_env.scorers.description import NAME
from seq2seq_env.scorers.loading import SCORERS, has_kind, load_scorer, resolve
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task

_Key = tuple[str, str, tuple[tuple[str, int, int], ...]]

_SHARED: WeakValueDictionary[_Key, Scorer] = WeakValueDictionary()
_LOOKING = Lock()


def shared_scorer(name_or_path: str | Path, task: Task) -> Scorer:
    """The scorer of that name that somebody in this process has, or else a new one, which the next gets, too.

    A folder that was written anew since, by its files' sizes and times, is another scorer; so is one made of others,
    for another task.

    Args:
        name_or_path: As :func:`load_scorer` takes it.
        task: Likewise.

    Raises:
        ValueError: As :func:`load_scorer` does.
        TypeError: As :func:`load_scorer` does.
        OSError: As :func:`load_scorer` does.
    """
    name = resolve(str(name_or_path), Path.cwd())
    with _LOOKING:
        folder = None if name in SCORERS or has_kind(name) else Path(name)
        composed = has_kind(name) or (folder is not None and (folder / NAME).is_file())
        key = (name, task.fingerprint if composed else "", () if folder is None else _state(folder))
        scorer = _SHARED.get(key)
        if scorer is None:
            scorer = _SHARED[key] = load_scorer(name_or_path, task=task)
        return scorer


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of a folder's files; nothing where there is no folder of that name."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
