"""Corpus BLEU, chrF and TER as functions of what their sentences add, and each sentence's share of them.

A corpus score is no mean over sentences; its jackknife pseudo-values (Tukey 1958) stand for sentences where a test
needs one number for each. Shape letters: N sentences, K statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.bleu_tokenizer import bleu_tokenizer, ter_options

_BLEU_ORDERS = 4


def bleu_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """What each sentence adds to corpus BLEU: matches and n-grams of each order, and both lengths, float64 [N,10].

    Raises:
        ValueError: If there are not as many references as hypotheses.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(effective_order=True, tokenize=bleu_tokenizer(references))
    rows = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        score = metric.sentence_score(hypothesis, [reference])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return np.array(rows, dtype=np.float64).reshape(-1, 2 * _BLEU_ORDERS + 2)


def bleu(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corpus BLEU in [0, 100] as sacrebleu's default (exponential smoothing) gives it, float64 [...].

    Args:
        statistics: Sums of :func:`bleu_statistics` over sentences, float64 [...,10].
    """
    matches, totals = statistics[..., :_BLEU_ORDERS], statistics[..., _BLEU_ORDERS : 2 * _BLEU_ORDERS]
    length, reference_length = statistics[..., -2], statistics[..., -1]
    missed = matches == 0
    # The k-th order without a match counts as 1 / 2^k of a match.
    smoothed = np.where(missed, 0.5 ** missed.cumsum(axis=-1), matches) / np.maximum(totals, 1)
    penalty = np.minimum(0.0, 1 - reference_length / np.maximum(length, 1))
    score = 100 * np.exp(penalty + np.log(smoothed).mean(axis=-1))
    none = (totals == 0).any(axis=-1) | missed.all(axis=-1)
    return np.asarray(np.where(none, 0.0, score))


def chrf_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """What each sentence adds to corpus chrF: n-grams of both texts and their matches, by order, float64 [N,18].

    Raises:
        ValueError: If there are not as many references as hypotheses.
    """
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    rows = []
    for pair in zip(hypotheses, references, strict=True):
        ours, theirs = (extract_all_char_ngrams(text, CHRF.CHAR_ORDER) for text in pair)
        row: list[int] = []
        for mine, right in zip(ours, theirs, strict=True):
            # As sacrebleu does, an order for which the reference is too short counts nothing.
            row += [mine.total() if right else 0, right.total(), (mine & right).total()]
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, 3 * CHRF.CHAR_ORDER)


def chrf(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corpus chrF2 in [0, 100] as sacrebleu's default gives it, float64 [...].

    Args:
        statistics: Sums of :func:`chrf_statistics` over sentences, float64 [...,18].
    """
    from sacrebleu.metrics.chrf import CHRF

    ours, theirs, matches = (statistics[..., start::3] for start in range(3))
    counted = (ours > 0) & (theirs > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = (np.where(counted, matches, 0) / np.maximum(ours, 1)).sum(axis=-1) / orders
    recall = (np.where(counted, matches, 0) / np.maximum(theirs, 1)).sum(axis=-1) / orders
    beta = CHRF.BETA**2
    weighted = beta * precision + recall
    return np.asarray(100 * (1 + beta) * precision * recall / np.where(weighted > 0, weighted, 1))


def ter_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """What each sentence adds to corpus TER: edits, and words of the reference, float64 [N,2].

    Raises:
        ValueError: If there are not as many references as hypotheses.
    """
    from sacrebleu.metrics.ter import TER

    metric = TER(**ter_options(references))
    scores = [metric.sentence_score(*pair) for pair in zip(hypotheses, ([text] for text in references), strict=True)]
    return np.array([[each.num_edits, each.ref_length] for each in scores], dtype=np.float64).reshape(-1, 2)


def ter(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corpus TER (Snover et al. 2006), edits to 100 words of the references, 0 at best, as sacrebleu gives it.

    Args:
        statistics: Sums of :func:`ter_statistics` over sentences, float64 [...,2].
    """
    edits, words = statistics[..., 0], statistics[..., 1]
    # As sacrebleu does, what is written where nothing should be is wrong by all of a reference.
    return np.asarray(100 * np.where(words > 0, edits / np.maximum(words, 1), edits > 0))


class CorpusScore(NamedTuple):
    """A corpus score by references.

    Attributes:
        title: As tables show it.
        statistics: Of each sentence, of hypotheses and references.
        score: Of sums of them.
        sign: 1 where more is better, and -1 where less is.
    """

    title: str
    statistics: Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    sign: int = 1


CORPUS_SCORES: Mapping[str, CorpusScore] = {
    "bleu": CorpusScore("BLEU", bleu_statistics, bleu),
    "chrf": CorpusScore("chrF", chrf_statistics, chrf),
    "ter": CorpusScore("TER", ter_statistics, ter, -1),
}
"""By name. Own scorers learn from chrF by default, and no policy is then trained towards TER."""


def pseudo_values(
    statistics: NDArray[np.float64], score: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Jackknife pseudo-values of a corpus score, float64 [N]: ``N f(all) - (N - 1) f(all but one)``.

    Their mean is the corpus score, but for its jackknife bias of order 1/N.

    Args:
        statistics: float64 [N,K].
        score: The corpus score of sums of them, such as :func:`bleu`.
    """
    count, whole = len(statistics), statistics.sum(axis=0)
    return count * score(whole) - (count - 1) * score(whole - statistics)
