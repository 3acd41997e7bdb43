"""Scorer protocol: the reward of a translation, without a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.writing import shortened


@runtime_checkable
class Scorer(Protocol):
    """Rates hypotheses of sources; the reward of ReST (Gulcehre et al. 2023, arXiv 2308.08998, section 3).

    The score of a pair depends on that pair alone, never on what is scored with it.
    """

    @property
    def fingerprint(self) -> str:
        """Names everything that determines the scores; stored beside rewards."""

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1], ``hypotheses[i]`` as a translation of ``sources[i]``."""


def checked_scores(scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
    """The scorer's scores, ``[N]`` float32, after a check that they are what a ``Scorer`` promises.

    Raises:
        ValueError: If sources and hypotheses differ in number, or the scores are not ``[N]`` numbers in [0, 1].
        TypeError: If a single str is given for sources or hypotheses, or the scores are not numbers.
    """
    return _checked(scorer, sources, hypotheses, 0.0, 1.0, "a number in [0, 1]")


def raw_scores(scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
    """The scores, ``[N]`` float32, of a scorer on a scale of its own, which is to be normalised.

    Raises:
        ValueError: If sources and hypotheses differ in number, or the scores are not ``[N]`` finite numbers.
        TypeError: If a single str is given for sources or hypotheses, or the scores are not numbers.
    """
    most = float(np.finfo(np.float32).max)
    return _checked(scorer, sources, hypotheses, -most, most, "a finite number")


def check_pairs(sources: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Refuse what are not two sequences of one length.

    Raises:
        TypeError: If a single str is given for sources or hypotheses, whose letters would be taken for texts.
        ValueError: If sources and hypotheses differ in number.
    """
    if isinstance(sources, str) or isinstance(hypotheses, str):
        raise TypeError("sources and hypotheses are sequences of str; wrap a single sentence in a list")
    if len(sources) != len(hypotheses):
        raise ValueError(f"there are {len(sources)} sources but {len(hypotheses)} hypotheses; give one for each")


def _checked(
    scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str], low: float, high: float, wanted: str
) -> NDArray[np.float32]:
    check_pairs(sources, hypotheses)
    if len(sources) == 0:
        return np.zeros(0, dtype=np.float32)
    raw = scorer.score(sources, hypotheses)
    name = type(scorer).__name__
    try:
        scores = np.asarray(raw, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} returned {type(raw).__name__}, not an array of numbers: {error}") from error
    if scores.shape != (len(sources),):
        raise ValueError(f"{name} returned scores of shape {scores.shape} for {len(sources)} pairs; return [N]")
    bad = np.flatnonzero(~((scores >= low) & (scores <= high)))
    if len(bad):
        i = int(bad[0])
        raise ValueError(
            f"{name} gave pair {i} the score {scores[i]}, not {wanted}; "
            f"source {shortened(sources[i])}, hypothesis {shortened(hypotheses[i])}"
        )
    return scores
