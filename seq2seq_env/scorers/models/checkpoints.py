"""Checkpoints of scorers: locks, errors and fingerprints of their files, and equal pairs scored once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "model*.safetensors*"
"""Pattern of the files that hold a network's weights, and of the index of several."""

LOADING = Lock()
"""transformers changes globals of PyTorch while it loads, which two threads must not do at once."""


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is loaded into one sentence.

    Raises:
        ValueError: If anything is raised: by safetensors, PyTorch, JSON or a configuration's own checks.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{what} cannot be loaded ({reason}); save or download it again") from error


def files_fingerprint(paths: Iterable[Path], *settings: str) -> str:
    """Hexadecimal sha256 over the names and contents of files, in order, and over settings."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while piece := file.read(1 << 20):  # of weights that may not fit into memory
                digest.update(piece)
    for setting in settings:
        digest.update(f"{setting}\0".encode())
    return digest.hexdigest()


def each_once(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    rate: Callable[[list[str], list[str]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """What ``rate`` gives, ``[N]`` float32, asked for equal pairs once.

    Raises:
        ValueError: If sources and hypotheses differ in number.
    """
    given = list(zip(sources, hypotheses, strict=True))
    distinct = list(dict.fromkeys(given))
    if not distinct:
        return np.zeros(0, dtype=np.float32)
    scores = rate([source for source, _ in distinct], [hypothesis for _, hypothesis in distinct])
    row_of = {pair: row for row, pair in enumerate(distinct)}
    return scores[[row_of[pair] for pair in given]]
