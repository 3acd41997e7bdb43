"""Shared scorers: all environments of a process that name one scorer have it once, while one of them lives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from seq2seq_env.scorers.description import NAME
from seq2seq_env.scorers.loading import PROGRAM, SCORERS, described_names, has_kind, load_scorer, resolve
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerSpec
from seq2seq_env.tasks.task import Task

_Key = tuple[str, str, tuple[tuple[str, int, int], ...]]

_SHARED: WeakValueDictionary[_Key, Scorer] = WeakValueDictionary()
_LOOKING = Lock()


def shared_scorer(name_or_path: str | Path, task: Task) -> Scorer:
    """The scorer of that name that somebody in this process has, or else a new one, which the next gets, too.

    One of which a file was written anew since, by sizes and times, is another scorer: a file at any depth of a folder,
    of the folders that its ``scorer.json`` or a specification names, or that a program's command names. What a program
    or a name on the hub leads to beyond these is not seen. A scorer made of others is another one for another task.

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
        composed = has_kind(name) or (name not in SCORERS and (Path(name) / NAME).is_file())
        key = (name, task.fingerprint if composed else "", tuple(_state(name, set())))
        scorer = _SHARED.get(key)
        if scorer is None:
            scorer = _SHARED[key] = load_scorer(name, task=task)
        return scorer


def _state(name: str, seen: set[str]) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of each file that a name leads to; ``seen`` are the names that were followed already."""
    if name in SCORERS or name in seen:
        return
    seen.add(name)
    files: list[Path] = []
    inner: list[str] = []
    if has_kind(name):
        spec = ScorerSpec.parse(name)
        words = [*spec.options.values(), *spec.words]
        if spec.kind == PROGRAM:  # a folder in its command may be anything, of any size
            files = [Path(word) for word in words if os.path.isfile(word)]  # noqa: PTH113  # takes any length of word
        else:
            inner = words
    elif (folder := Path(name)).is_absolute():  # else it is no folder's: what is one was resolved
        files, inner = sorted(path for path in folder.rglob("*") if path.is_file()), described_names(folder)
    for path in files:
        yield str(path), path.stat().st_size, path.stat().st_mtime_ns
    for each in inner:
        yield from _state(each, seen)
