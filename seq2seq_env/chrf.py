"""Pairwise chrF: of every pair among some texts at once.

Shape letters: D distinct texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pairwise_chrf(texts: Sequence[str]) -> NDArray[np.float64]:
    """Sentence chrF (Popović 2015) of each text with each as its reference, as sacrebleu's ``CHRF()`` computes it.

    sacrebleu cuts the texts into n-grams, once each; what two texts share is counted for all pairs together, which for
    64 texts takes a fraction of the time of as many calls of ``sentence_score``.

    Args:
        texts: D of them.

    Returns:
        float64 [D,D] in [0, 100], row the hypothesis and column the reference; 100 on the diagonal but for empty texts.
    """
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    ngrams = [extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in texts]
    precision, recall, orders = (np.zeros((len(texts), len(texts))) for _ in range(3))
    for order in range(CHRF.CHAR_ORDER):
        shared, lengths = _shared([each[order] for each in ngrams])
        at_least = np.maximum(lengths, 1)
        precision += shared / at_least[:, None]
        recall += shared / at_least
        # As sacrebleu does, an order counts where both texts are long enough for it.
        orders += (lengths[:, None] > 0) & (lengths > 0)
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    beta = CHRF.BETA**2
    weighted = beta * precision + recall
    return 100 * (1 + beta) * precision * recall / np.where(weighted > 0, weighted, 1)


def _shared(counts: Sequence[Counter[str]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How many n-grams each two texts share, [D,D], and how many each has, [D].

    The k-th occurrence of an n-gram is a feature of its own: two texts share as many of them as the smaller of the
    n-gram's two counts, so that a product of sparse matrices counts what all pairs share.
    """
    from scipy.sparse import csr_array

    features: dict[tuple[str, int], int] = {}
    columns: list[int] = []
    ends = [0]
    for count in counts:
        for ngram, times in count.items():
            columns += [features.setdefault((ngram, nth), len(features)) for nth in range(times)]
        ends.append(len(columns))
    has = csr_array((np.ones(len(columns)), columns, ends), shape=(len(counts), max(1, len(features))))
    return (has @ has.T).toarray(), np.diff(ends)
