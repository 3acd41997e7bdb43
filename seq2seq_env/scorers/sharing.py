"""Shared scorers: all environments of a process that name one scorer have it once, while one of them lives."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from seq2seq_env.scorers.loading import SCORERS, has_kind, load_scorer, resolve
from seq2seq_env.scorers.scorer import Scorer

_Key = tuple[str, tuple[tuple[str, int, int], ...]]

_SHARED: WeakValueDictionary[_Key, Scorer] = WeakValueDictionary()
_LOOKING = Lock()


def shared_scorer(name_or_path: str | Path) -> Scorer:
    """The scorer of that name that somebody in this process has, or else a new one, which the next gets, too.

    A folder that was written anew since, by its files' sizes and times, is another scorer.

    Args:
        name_or_path: As :func:`load_scorer` takes it.

    Raises:
        ValueError: As :func:`load_scorer` does.
        TypeError: As :func:`load_scorer` does.
        OSError: As :func:`load_scorer` does.
    """
    name = resolve(str(name_or_path), Path.cwd())
    with _LOOKING:
        key = (name, () if name in SCORERS or has_kind(name) else _state(Path(name)))
        scorer = _SHARED.get(key)
        if scorer is None:
            scorer = _SHARED[key] = load_scorer(name_or_path)
        return scorer


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of a folder's files; nothing where there is no folder of that name."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
