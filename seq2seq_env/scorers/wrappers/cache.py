"""Cached scorer, which computes no pair twice."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.scorer import Scorer, check_pairs, checked_scores
from seq2seq_env.scorers.wrappers.score_file import read_scores, write_scores

_LOCK = Lock()
"""One for all caches: a fork waits until none of them is in use, and no child inherits it locked or a file open."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


class CachedScorer:
    """Gives each pair the score that ``scorer`` gave it first, bit by bit, and asks ``scorer`` for new pairs only.

    A call asks for all its new pairs at once and for equal pairs once. Scores are looked up by a digest of the scorer's
    fingerprint, the source and the hypothesis, so scorers may share a file and a changed scorer finds nothing of its
    former self. The most recently used scores are kept in memory, and with ``path`` all of them in an SQLite file that
    outlives the process. A score that is no number in [0, 1] is an error and is not kept.

    Threads may share a cache, processes its file, on a local disk: a batch is read by one query, and what is new in it
    is written in one transaction and read again, as the first score of a pair may be another's by then. A pickle or a
    copy takes scorer and path along and starts with empty memory and counts.

    ```python
    >>> from seq2seq_env.scorers import CachedScorer, load_scorer
    >>> scorer = CachedScorer(load_scorer("phrasebook-qe"), max_entries=1000)
    >>> scorer
    CachedScorer(LearnedScorer, path=None, max_entries=1000, hits=0, misses=0)

    ```

    Args:
        scorer: What is wrapped.
        path: Of the file, made at the first score in a folder that is there; it grows without bound. None keeps scores
            in memory only.
        max_entries: Scores kept in memory, about 150 bytes each.

    Attributes:
        hits: Pairs answered so far without the scorer, equal pairs of one call included.
        misses: Pairs that the scorer was asked for.

    Raises:
        ValueError: If ``max_entries`` is below 1.
    """

    def __init__(self, scorer: Scorer, path: str | Path | None = None, max_entries: int = 100_000) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; a cache keeps at least 1 score")
        self.scorer = scorer
        # A relative path would name another file after a change of folder, or in another process.
        self.path = None if path is None else Path(path).absolute()
        self.max_entries = max_entries
        self.hits = 0
        self.misses = 0
        self._memory: OrderedDict[bytes, float] = OrderedDict()  # least recently used first

    @property
    def fingerprint(self) -> str:
        """The wrapped scorer's."""
        return self.scorer.fingerprint

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If sources and hypotheses differ in number, the scorer gives a score outside [0, 1], or the file
                is corrupt or something else.
            OSError: If the file cannot be made, read, written or locked.
            TypeError: If a single str is given for sources or hypotheses.
        """
        check_pairs(sources, hypotheses)
        pairs = list(zip(sources, hypotheses, strict=True))
        keys = list(_keys(self.fingerprint, pairs))
        distinct = dict(zip(keys, pairs, strict=True))
        with _LOCK:
            scores = self._known(distinct)
        new = [key for key in distinct if key not in scores]
        if new:
            rated = checked_scores(self.scorer, [distinct[key][0] for key in new], [distinct[key][1] for key in new])
            fresh = dict(zip(new, rated.tolist(), strict=True))
            scores |= fresh
        with _LOCK:
            if new and self.path is not None:
                write_scores(self.path, fresh)
            # Meanwhile another thread or process may have got the first score of a pair.
            scores |= self._known(new)
            for key in distinct:
                self._memory[key] = scores[key]
                self._memory.move_to_end(key)
            while len(self._memory) > self.max_entries:
                self._memory.popitem(last=False)
            self.misses += len(new)
            self.hits += len(keys) - len(new)
        return np.fromiter((scores[key] for key in keys), dtype=np.float32, count=len(keys))

    def __repr__(self) -> str:
        path = None if self.path is None else str(self.path)
        return (
            f"CachedScorer({type(self.scorer).__name__}, path={path!r}, max_entries={self.max_entries}, "
            f"hits={self.hits}, misses={self.misses})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"scorer": self.scorer, "path": self.path, "max_entries": self.max_entries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        CachedScorer.__init__(self, **state)

    def _known(self, keys: Iterable[bytes]) -> dict[bytes, float]:
        scores, others = {}, []
        for key in keys:
            if key in self._memory:
                scores[key] = self._memory[key]
            else:
                others.append(key)
        if others and self.path is not None:
            scores |= read_scores(self.path, others)
        return scores


def _keys(fingerprint: str, pairs: Iterable[tuple[str, str]]) -> Iterable[bytes]:
    """A digest of each pair; lengths stand before texts, so that no two pairs are written alike."""
    named = hashlib.blake2b(digest_size=16)
    _add(named, fingerprint)
    for source, hypothesis in pairs:
        digest = named.copy()
        _add(digest, source)
        _add(digest, hypothesis)
        yield digest.digest()


def _add(digest: hashlib.blake2b, text: str) -> None:
    # Half a surrogate pair is the scorer's to refuse.
    content = text.encode("utf-8", "surrogatepass")
    digest.update(len(content).to_bytes(8, "little"))
    digest.update(content)
