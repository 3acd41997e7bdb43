"""Cascade of two scorers: a cheap one on all pairs, a dear one on those that may pass the filter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq_env.scorers.scorer import Scorer, checked_scores
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec


class CascadeScorer(ScorerKind):
    """The dear scorer's score where the cheap one's is above a gate, and elsewhere the cheap one's.

    A filter that keeps ``R > tau`` with ``tau`` at least ``gate`` keeps what the dear scorer alone would keep, less
    what the cheap one wrongly stops at the gate: :func:`cascade_gate` says which gate stops how much, and the lower it
    is the more the dear scorer costs. Below the gate rewards say no more than the cheap scorer does, so a filter that
    compares a source's candidates with one another needs a gate that most pass.

    Args:
        cheap: Rates all pairs.
        dear: Rates those above the gate.
        gate: In [0, 1); 0 asks the dear scorer for whatever the cheap one does not give 0.

    Raises:
        ValueError: If the gate is out of range.
    """

    def __init__(self, cheap: Scorer, dear: Scorer, *, gate: float = 0.5) -> None:
        if not 0 <= gate < 1:
            raise ValueError(f"gate is {gate}; give a score from 0, below 1")
        self.cheap, self.dear, self.gate = cheap, dear, gate

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> CascadeScorer:
        """The cascade of the two scorers that the words name; see :meth:`ScorerKind.from_spec`."""
        options = spec.keyword_arguments(cls)
        cheap, dear = spec.scorer_names(2, "the cheap one and the dear one")
        return cls(load(cheap), load(dear), **options)

    @property
    def scorers(self) -> list[Scorer]:
        """What it is made of, the cheap one first."""
        return [self.cheap, self.dear]

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over both scorers' fingerprints and the gate."""
        parts = (self.cheap.fingerprint, self.dear.fingerprint, self.gate)
        return hashlib.sha256(f"cascade\0{parts!r}".encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If sources and hypotheses differ in number, or a scorer gives no number in [0, 1].
        """
        return self.refined(sources, hypotheses, checked_scores(self.cheap, sources, hypotheses))

    def refined(
        self,
        sources: Sequence[str],
        hypotheses: Sequence[str],
        cheap: NDArray[np.float32],
        score: Callable[[Scorer, Sequence[str], Sequence[str]], NDArray[np.float32]] = checked_scores,
    ) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1], from the cheap scorer's scores [N], which are there already.

        Args:
            sources: N texts.
            hypotheses: N texts.
            cheap: The cheap scorer's scores.
            score: How the dear scorer is asked.

        Raises:
            ValueError: As for :meth:`score`.
        """
        scores, passing = cheap.copy(), np.flatnonzero(cheap > np.float32(self.gate)).tolist()
        asked = [sources[row] for row in passing], [hypotheses[row] for row in passing]
        scores[passing] = score(self.dear, *asked)
        return scores


def cascade_gate(cheap: ArrayLike, dear: ArrayLike, threshold: float, agreement: float = 0.95) -> float:
    """The highest gate with which a cascade keeps enough of what the dear scorer alone would keep.

    Args:
        cheap: [N] scores of the cheap scorer, for some hundreds of pairs at least.
        dear: [N] scores of the dear scorer for the same pairs.
        threshold: Of the filter ``R > threshold``, in [0, 1); the gate is not above it.
        agreement: Share of the kept that must pass the gate, in (0, 1].

    Raises:
        ValueError: If ``agreement`` is out of range, the dear scorer keeps none of the pairs, or no gate keeps enough.
    """
    if not 0 < agreement <= 1:
        raise ValueError(f"agreement is {agreement}; give a share above 0, at most 1")
    kept = np.sort(np.asarray(cheap, dtype=np.float32)[np.asarray(dear, dtype=np.float32) > np.float32(threshold)])
    if not kept.size:
        raise ValueError(f"the dear scorer gives none of the pairs more than {threshold}; give more pairs to choose by")
    stopped = int(np.floor((1 - agreement) * kept.size + 1e-9))
    if kept[stopped] <= 0:
        raise ValueError(
            f"the cheap scorer gives 0 to more of the kept than agreement {agreement} allows; give a lower agreement, "
            "or another cheap scorer"
        )
    below = float(np.nextafter(kept[stopped], np.float32(-1)))
    return min(below, threshold)
