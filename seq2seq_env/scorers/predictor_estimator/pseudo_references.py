"""Pseudo-references: a translation model's own translations, and chrF of a hypothesis with them.

Shape letters: A numbers per pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq_env.chrf import pairwise_chrf
from seq2seq_env.scorers.predictor_estimator.predictor import Predictor

COUNT = 8
"""Pseudo-references of a source."""

AGREEMENT_FEATURES = 8
"""A: see :meth:`PseudoReferences.agreement`."""

NATS = 3.0
"""By how much likelier the source must be after a pseudo-reference than after another to count e times as much."""


class _Weighted(NamedTuple):
    texts: list[str]
    weights: NDArray[np.float64]
    """Which sum to 1."""


class PseudoReferences:
    """A translation model's own likeliest translations in the place of references (Albrecht and Hwa 2007, ACL).

    They are written once for each source and kept, half a kilobyte per sentence. A model of the other direction weighs
    them by how well they explain the source, as in noisy-channel reranking (Yee, Dauphin and Auli 2019, EMNLP).

    Args:
        forward: From the source's language into the hypothesis's.
        backward: From the hypothesis's language into the source's.
    """

    def __init__(self, forward: Predictor, backward: Predictor) -> None:
        self._forward, self._backward = forward, backward
        self._known: dict[str, _Weighted] = {}

    def agreement(self, sources: Sequence[str], hypotheses: Sequence[str], tokens_per_batch: int) -> Tensor:
        """What chrF says of each hypothesis beside its source's pseudo-references.

        Over 100: mean, mean weighted by ``softmax(log p(x | y') / NATS)`` over the pseudo-references ``y'``, mean with
        the likelier half, with the likeliest, largest, smallest, standard deviation; last the hypothesis's length over
        their mean length, in characters.

        Args:
            sources: N texts.
            hypotheses: N texts.
            tokens_per_batch: Of one forward pass of the backward model at most.

        Returns:
            float32 [N,A] on the CPU.
        """
        self._write([source for source in dict.fromkeys(sources) if source not in self._known], tokens_per_batch)
        rows: dict[str, list[int]] = {}
        for row, source in enumerate(sources):
            rows.setdefault(source, []).append(row)
        agreements = np.empty((len(sources), AGREEMENT_FEATURES))
        for source, places in rows.items():
            agreements[places] = _agreement([hypotheses[place] for place in places], self._known[source])
        return torch.from_numpy(agreements).float()

    def _write(self, sources: list[str], tokens_per_batch: int) -> None:
        written = self._forward.translations(sources, COUNT)
        every = [text for texts in written for text in texts]
        repeated = [source for source in sources for _ in range(COUNT)]
        read = iter(self._backward.features(every, repeated, tokens_per_batch))
        for source, texts in zip(sources, written, strict=True):
            log_probs = torch.stack([next(read)[:, 0].sum() for _ in texts])
            self._known[source] = _Weighted(texts, (log_probs / NATS).softmax(0).double().numpy())


def _agreement(hypotheses: Sequence[str], own: _Weighted) -> NDArray[np.float64]:
    references = own.texts
    texts = {text: place for place, text in enumerate(dict.fromkeys([*hypotheses, *references]))}
    every = pairwise_chrf([*texts]) / 100
    chrf = every[np.ix_([texts[text] for text in hypotheses], [texts[text] for text in references])]
    length = np.mean([len(text) for text in references])
    lengths = np.array([len(text) for text in hypotheses]) / max(1.0, float(length))
    half = chrf[:, : max(1, len(references) // 2)]
    spread = chrf.max(1), chrf.min(1), chrf.std(1)
    return np.stack([chrf.mean(1), chrf @ own.weights, half.mean(1), chrf[:, 0], *spread, lengths], axis=1)
