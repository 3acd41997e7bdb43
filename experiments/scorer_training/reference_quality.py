"""The quality of a hypothesis where a reference is all that is known: a sentence score against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from experiments.scorer_training.estimator_config import QualityName
from seq2seq_env.bleu_tokenizer import bleu_tokenizer, ter_options
from seq2seq_env.progress import progress_bar
from seq2seq_env.suggestions import check_name

SentenceScore = Callable[[str, list[str]], float]
"""Of a hypothesis and its references, in [0, 1]."""


class ReferenceQuality:
    """``(sources, hypotheses) -> float32 [N]`` in [0, 1], a sentence score against the source's reference.

    "chrf1" and "chrf2" are chrF (Popovic 2015) with precision and recall weighed alike, or recall twice: a text that
    says too much then loses less than one that says too little, and who learns from it gets long. "bleu" is sentence
    BLEU, without orders that a text is too short for; "ter" is ``exp(-TER)``, which also ranks texts that need more
    edits than the reference has words.

    Where a source comes with several references, the best of them counts.

    Args:
        sources: M sources.
        references: M references.
        measure: Name of the score.

    Raises:
        ValueError: If there is no such score.
    """

    def __init__(self, sources: Sequence[str], references: Sequence[str], measure: QualityName = "chrf1") -> None:
        self._references: dict[str, list[str]] = {}
        for source, reference in zip(sources, references, strict=True):
            self._references.setdefault(source, []).append(reference)
        self.measure = measure
        self._score = _sentence_score(measure, references)

    def __call__(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """See the class.

        Raises:
            KeyError: If a source has no reference.
        """
        pairs = list(zip(sources, hypotheses, strict=True))
        distinct = dict.fromkeys(pairs, 0.0)
        for source, hypothesis in progress_bar(distinct, desc="quality of hypotheses", unit="pair", leave=False):
            distinct[source, hypothesis] = self._score(hypothesis, self._references[source])
        return np.array([distinct[pair] for pair in pairs], dtype=np.float32)


def _sentence_score(measure: QualityName, references: Sequence[str]) -> SentenceScore:
    if measure == "ter":
        ter = TER(**ter_options(references))
        return lambda hypothesis, own: math.exp(-ter.sentence_score(hypothesis, own).score / 100)
    if measure == "bleu":
        bleu = BLEU(effective_order=True, tokenize=bleu_tokenizer(references))
        return lambda hypothesis, own: min(1.0, bleu.sentence_score(hypothesis, own).score / 100)
    check_name("measure of quality", measure, get_args(QualityName))
    chrf = CHRF(beta=int(measure[-1]))
    return lambda hypothesis, own: chrf.sentence_score(hypothesis, own).score / 100
