"""Ensemble of scorers: their weighted mean."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.scorer import Scorer, checked_scores
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec


class EnsembleScorer(ScorerKind):
    """The weighted mean of several scorers' scores.

    To see each one's own scores beside the mean without computing them twice, wrap them first:

    ```python
    members = {name: CachedScorer(load_scorer(name)) for name in names}
    env = gym.make(..., scorer=EnsembleScorer(list(members.values())), info_scorers=members)
    ```

    Args:
        scorers: At least one, each with scores in [0, 1].
        weights: One for each scorer, 0 or more, 1 in all; None weighs them alike.

    Raises:
        ValueError: If there is no scorer, or the weights do not fit.
    """

    def __init__(self, scorers: Sequence[Scorer], weights: Sequence[float] | None = None) -> None:
        if not scorers:
            raise ValueError("an ensemble has at least 1 scorer, and this one none; name those to combine")
        shares = [1 / len(scorers)] * len(scorers) if weights is None else list(weights)
        shown = ", ".join(map(str, shares))
        if len(shares) != len(scorers):
            raise ValueError(f"there are {len(shares)} weights ({shown}) for {len(scorers)} scorers; give one for each")
        if not all(weight >= 0 for weight in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise ValueError(f"the weights {shown} are not shares of 1; give numbers from 0 that sum to 1")
        self.scorers = list(scorers)
        self.weights = shares

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> EnsembleScorer:
        """The ensemble of the scorers that the words name; see :meth:`ScorerKind.from_spec`."""
        weights = spec.keyword_arguments(cls).get("weights")
        try:
            shares = None if weights is None else [float(weight) for weight in weights.split(",")]
        except ValueError as error:
            raise ValueError(f"weights is {weights!r}; give numbers with commas, such as 0.7,0.3") from error
        return cls([load(word) for word in spec.words], shares)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the scorers' fingerprints and their weights."""
        parts = [
            f"{weight!r} {scorer.fingerprint}\0" for weight, scorer in zip(self.weights, self.scorers, strict=True)
        ]
        return hashlib.sha256(("ensemble\0" + "".join(parts)).encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If sources and hypotheses differ in number, or one of the scorers gives no number in [0, 1].
        """
        scores = self.each(sources, hypotheses).astype(np.float64)
        weights = np.asarray(self.weights)
        return np.asarray(weights @ scores / weights.sum(), dtype=np.float32)

    def each(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """Each scorer's own scores, ``[M, N]`` float32 in [0, 1], a row for each of the M scorers.

        Raises:
            ValueError: As for :meth:`score`.
        """
        return np.stack([checked_scores(scorer, sources, hypotheses) for scorer in self.scorers])
