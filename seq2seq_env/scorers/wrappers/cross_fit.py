"""Cross-fitting: several scorers, each of which judges sources that it was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.scorer import Scorer, check_pairs, checked_scores


class CrossFittedScorer:
    """K scorers, of which number k was trained without the sources of fold k and judges only those.

    So all of one's pairs can train the scorer, and all sources can be rewarded, yet no source is rewarded by a scorer
    that was trained on it (cross-fitting, Chernozhukov et al. 2018, arXiv 1608.00060). A source that nobody was trained
    on has a fold, too, so every pair has one score. Where that is repeated with other folds, the score is the mean
    over the repeats (their section 3.4): it depends less on how the pairs were split, and uses more of them.

    Args:
        parts: The K scorers; then, of each repeat, another K.
        folds: K; None for as many as there are parts.

    Raises:
        ValueError: If there is no part, or their number is not a multiple of the folds.
    """

    def __init__(self, parts: Sequence[Scorer], folds: int | None = None) -> None:
        if not parts:
            raise ValueError("a cross-fitted scorer has no parts; give at least one scorer")
        self.parts = tuple(parts)
        self.folds = len(parts) if folds is None else folds
        if self.folds < 1 or len(parts) % self.folds:
            raise ValueError(f"{len(parts)} scorers cannot be cross-fitted with {folds} folds; give as many for each")

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the parts' fingerprints, in order."""
        kind = "cross-fit" if self.folds == len(self.parts) else f"cross-fit {self.folds}"
        return hashlib.sha256(" ".join([kind, *(part.fingerprint for part in self.parts)]).encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1], the mean over the repeats of the scores from the part that a source belongs to.

        Raises:
            ValueError: If sources and hypotheses differ in number, or a part gives something other than numbers in
                [0, 1], one for each pair.
            TypeError: If a single str is given for sources or hypotheses, or a part's scores are not numbers.
        """
        check_pairs(sources, hypotheses)
        scores = np.zeros(len(sources))
        for number, part in enumerate(self.parts):
            repeat, fold = divmod(number, self.folds)
            rows = [row for row, source in enumerate(sources) if fold_of(source, self.folds, repeat) == fold]
            if rows:
                own = [sources[row] for row in rows], [hypotheses[row] for row in rows]
                scores[rows] += checked_scores(part, *own)
        return (scores * self.folds / len(self.parts)).astype(np.float32)
