"""Checkpoints of scorers: errors and fingerprints of their files, read at the first score; equal pairs scored once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.models.length_bucketing import token_budget
from seq2seq_env.models.quiet_loading import quiet
from seq2seq_env.scorers.scorer import check_pairs

WEIGHTS = "model*.safetensors*"
"""Pattern of the files that hold a network's weights, and of the index of several."""

N = TypeVar("N")

_LOADING = Lock()
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


class CheckpointScorer(ABC, Generic[N]):
    """A scorer of networks that are read from files at the first score, and that a pickle leaves out.

    Args:
        device: Where the networks compute, "cpu" or "cuda:0" and the like.
        tokens_per_batch: Tokens of one forward pass at most; see
            :func:`seq2seq_env.models.length_bucketing.token_budget`.
    """

    def __init__(self, device: str, tokens_per_batch: int | None) -> None:
        self.device = device
        self.tokens_per_batch = token_budget(tokens_per_batch, device)

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32, in [0, 1] if the checkpoint keeps its word (``checked_scores`` sees to it).

        Raises:
            ValueError: If sources and hypotheses differ in number, a source leaves no room for a hypothesis, or the
                checkpoint is corrupt, lacks weights or does not fit its tokenizer.
            ImportError: If the tokenizer needs packages that are not installed.
            TypeError: If a single str is given for sources or hypotheses.
        """
        check_pairs(sources, hypotheses)
        pairs = list(zip(sources, hypotheses, strict=True))
        distinct = list(dict.fromkeys(pairs))
        if not distinct:
            return np.zeros(0, dtype=np.float32)
        scores = self._rate([source for source, _ in distinct], [hypothesis for _, hypothesis in distinct])
        row_of = {pair: row for row, pair in enumerate(distinct)}
        return scores[[row_of[pair] for pair in pairs]]

    @abstractmethod
    def _load(self) -> N:
        """The networks, read from the files."""

    @abstractmethod
    def _rate(self, sources: list[str], hypotheses: list[str]) -> NDArray[np.float32]:
        """Scores of pairs that differ from one another."""

    @cached_property
    def _network(self) -> N:
        with _LOADING, quiet():
            return self.__dict__.get("_network") or self._load()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_network"}
