"""Utility of candidates: how much a source's other candidates agree with each.

Shape letter: D distinct candidates of a source.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.chrf import pairwise_chrf

if TYPE_CHECKING:
    from buffers.slices import Slice
    from seq2seq_env.tokenization.tokenizer import Tokenizer


def candidate_utilities(data: Slice, tokenizer: Tokenizer) -> NDArray[np.float32]:
    """Mean chrF of each trajectory with the other candidates of its source as references.

    It is the expected utility of minimum Bayes risk decoding (Eikema and Aziz 2020, arXiv 2005.10283), which needs no
    scorer: a filter by it keeps what minimum Bayes risk would choose.

    Args:
        data: All held in memory.
        tokenizer: Of the targets.

    Returns:
        float32 [n] in [0, 1]; 0 of a trajectory that is alone.
    """
    texts = []
    for piece in data.pieces():
        tokens, offsets = piece.tokens.tolist(), piece.offsets.tolist()
        texts += tokenizer.decode([tokens[low:high] for low, high in pairwise(offsets)])
    source = data.source_index
    order = np.argsort(source, kind="stable")
    _, first = np.unique(source[order], return_index=True)
    values = np.zeros(len(source), dtype=np.float32)
    for places in np.split(order, first[1:]):
        if len(places) > 1:
            distinct, number, times = np.unique([texts[i] for i in places], return_inverse=True, return_counts=True)
            values[places] = agreement(pairwise_chrf(distinct.tolist()), times)[number]
    return values.clip(0, 1)


def agreement(chrf: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean chrF of each distinct candidate with all candidates but its own one.

    Args:
        chrf: [D,D] in [0, 100], of the distinct candidates.
        times: [D], how often each is there; at least 2 in all.

    Returns:
        float64 [D] in [0, 1], rounding aside.
    """
    return np.asarray((chrf @ times - chrf.diagonal()) / (times.sum() - 1) / 100)
