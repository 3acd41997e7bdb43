"""Scorers of which each judges sources that it was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.cleaning import bare


def fold_of(source: str, folds: int) -> int:
    """The part of all possible sources, from 0 to ``folds - 1``, that a source belongs to.

    It depends on the text alone; texts that differ only in case, spaces or the encoding of accents belong together.
    """
    return int.from_bytes(hashlib.sha256(bare(source).encode()).digest()[:8], "big") % folds


class CrossFittedScorer:
    """K scorers, of which number k was trained without the sources of fold k and judges only those.

    So all of one's pairs can train the scorer, and all sources can be rewarded, yet no source is rewarded by a scorer
    that was trained on it (cross-fitting, Chernozhukov et al. 2018, arXiv 1608.00060). A source that nobody was trained
    on has a fold, too, so every pair has one score.

    Args:
        parts: The K scorers.

    Raises:
        ValueError: If there is none.
    """

    def __init__(self, parts: Sequence[Scorer]) -> None:
        if not parts:
            raise ValueError("a cross-fitted scorer has no parts; give at least one scorer")
        self.parts = tuple(parts)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the parts' fingerprints, in order."""
        return hashlib.sha256(" ".join(["cross-fit", *(part.fingerprint for part in self.parts)]).encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32, each from the part that its source belongs to."""
        folds = np.array([fold_of(source, len(self.parts)) for source in sources], dtype=np.int64)
        scores = np.empty(len(folds), dtype=np.float32)
        for fold, part in enumerate(self.parts):
            rows = np.flatnonzero(folds == fold).tolist()
            if rows:
                scores[rows] = part.score([sources[row] for row in rows], [hypotheses[row] for row in rows])
        return scores
