"""The quality of a hypothesis where a reference is all that is known: sentence chrF."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.chrf import CHRF

from seq2seq_env.progress import progress_bar


class ChrfQuality:
    """``(sources, hypotheses) -> float32 [N]`` in [0, 1]: chrF (Popovic 2015) against the source's reference, over 100.

    Where a source comes with several references, the best of them counts.

    Args:
        sources: M sources.
        references: M references.
    """

    def __init__(self, sources: Sequence[str], references: Sequence[str]) -> None:
        self._references: dict[str, list[str]] = {}
        for source, reference in zip(sources, references, strict=True):
            self._references.setdefault(source, []).append(reference)
        self._chrf = CHRF()

    def __call__(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """See the class.

        Raises:
            KeyError: If a source has no reference.
        """
        pairs = list(zip(sources, hypotheses, strict=True))
        distinct = dict.fromkeys(pairs, 0.0)
        for source, hypothesis in progress_bar(distinct, desc="chrF of hypotheses", unit="pair", leave=False):
            score = self._chrf.sentence_score(hypothesis, self._references[source]).score
            distinct[source, hypothesis] = score / 100
        return np.array([distinct[pair] for pair in pairs], dtype=np.float32)
