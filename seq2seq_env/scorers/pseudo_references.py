"""How far a hypothesis agrees with what a translation model would write itself.

Shape letters: A numbers a pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seq2seq_env.chrf import pairwise_chrf
from seq2seq_env.scorers.predictor import Predictor

COUNT = 8
"""Pseudo-references of a source."""

NUMBERS = 7
"""A: see :meth:`PseudoReferences.agreement`."""


class PseudoReferences:
    """A translation model's own likeliest translations in the place of references (Albrecht and Hwa 2007, ACL).

    They are written once for each source and kept, half a kilobyte a sentence.

    Args:
        predictor: From the source's language into the hypothesis's.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._known: dict[str, list[str]] = {}

    def agreement(self, sources: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """What chrF says of each hypothesis beside its source's pseudo-references.

        Over 100: mean, mean with the likelier half, with the likeliest, largest, smallest, standard deviation; last the
        hypothesis's length over their mean length, in characters.

        Returns:
            float32 [N,A] on the CPU.
        """
        new = [source for source in dict.fromkeys(sources) if source not in self._known]
        self._known.update(zip(new, self._predictor.translations(new, COUNT), strict=True))
        rows: dict[str, list[int]] = {}
        for row, source in enumerate(sources):
            rows.setdefault(source, []).append(row)
        found = np.empty((len(sources), NUMBERS))
        for source, places in rows.items():
            found[places] = _agreement([hypotheses[place] for place in places], self._known[source])
        return torch.from_numpy(found).float()


def _agreement(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    texts = {text: place for place, text in enumerate(dict.fromkeys([*hypotheses, *references]))}
    every = pairwise_chrf([*texts]) / 100
    chrf = every[np.ix_([texts[text] for text in hypotheses], [texts[text] for text in references])]
    length = np.mean([len(text) for text in references])
    lengths = np.array([len(text) for text in hypotheses]) / max(1.0, float(length))
    half = chrf[:, : max(1, len(references) // 2)]
    columns = (chrf.mean(1), half.mean(1), chrf[:, 0], chrf.max(1), chrf.min(1), chrf.std(1), lengths)
    return np.stack(columns, axis=1)
