"""Normalised scorer: another scorer's own scale, mapped to [0, 1]."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq_env.scorers.scorer import Scorer, raw_scores

Knot = tuple[float, float]
"""A score on the scorer's own scale, and what becomes of it in [0, 1]."""


class NormalisedScorer:
    """What becomes of another scorer's scores through knots: linear from knot to knot, and flat beyond the outer two.

    Two knots (:func:`affine_knots`) are an affine map, clipped to [0, 1]; many (:func:`quantile_knots`) follow a
    distribution. The map is monotone, so it keeps the order of scores, or turns it around where the other scorer rates
    errors, but scores beyond the outer knots become equal.

    Args:
        scorer: What is wrapped; its scores may be any finite numbers.
        knots: At least two; scores rise strictly, values in [0, 1] never fall or never rise, and are not all the same.

    Raises:
        ValueError: If the knots are not so.
    """

    def __init__(self, scorer: Scorer, knots: Sequence[Knot]) -> None:
        self.scorer = scorer
        try:
            table = np.asarray(knots, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError("the knots are not pairs of numbers; give [score, value] for each") from error
        if table.ndim != 2 or table.shape[1] != 2 or len(table) < 2:
            raise ValueError(f"the knots have shape {table.shape}, not [K, 2] with K of at least 2")
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise ValueError(f"knot {row} is {table[row].tolist()}; give finite numbers")
        scores, values = table.T
        steps = np.diff(values)
        if not (np.diff(scores) > 0).all():
            row = int(np.flatnonzero(np.diff(scores) <= 0)[0])
            raise ValueError(
                f"the scores of the knots do not rise: {scores[row + 1]:g} follows {scores[row]:g}; sort them, and "
                "name each once"
            )
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"the values of the knots run from {values.min():g} to {values.max():g}; keep to [0, 1]")
        if not ((steps >= 0).all() or (steps <= 0).all()) or values[0] == values[-1]:
            raise ValueError("the values of the knots neither only rise nor only fall; a normalisation is monotone")
        self.knots: list[Knot] = [(float(score), float(value)) for score, value in table]

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the other scorer's fingerprint and the knots."""
        return hashlib.sha256(f"normalised\0{self.scorer.fingerprint}\0{self.knots!r}".encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If sources and hypotheses differ in number, or a score is no finite number.
        """
        return self.mapped(raw_scores(self.scorer, sources, hypotheses))

    def mapped(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """What becomes of the other scorer's scores, ``[N]`` float32 in [0, 1]."""
        scores, values = zip(*self.knots, strict=True)
        return np.asarray(np.interp(raw, scores, values), dtype=np.float32)


def affine_knots(low: float, high: float) -> list[Knot]:
    """``(score - low) / (high - low)``; with ``low`` above ``high``, small scores are good ones.

    Raises:
        ValueError: If they are the same.
    """
    if low == high:
        raise ValueError(f"low and high are both {low:g}; a scale has two ends")
    return sorted([(low, 0.0), (high, 1.0)])


def quantile_knots(scores: ArrayLike, count: int = 101, *, falling: bool = False) -> list[Knot]:
    """The share of ``scores`` below a score, at ``count`` evenly spaced quantiles; half of those equal to it count.

    Args:
        scores: [N] finite numbers, on the scale to normalise.
        count: At least 2; equal quantiles become one knot.
        falling: Whether small scores are good ones, which makes it the share above.

    Raises:
        ValueError: If ``count`` is below 2 or all scores are the same.
    """
    if count < 2:
        raise ValueError(f"a normalisation of {count} knots is none; give 2 or more")
    shares = np.linspace(0, 1, count)
    quantiles = np.maximum.accumulate(np.quantile(np.asarray(scores, dtype=np.float64), shares))
    distinct, which = np.unique(quantiles, return_inverse=True)
    if len(distinct) < 2:
        raise ValueError(f"every score is {distinct[0]:g}; there is nothing to normalise")
    below = np.bincount(which, shares) / np.bincount(which)
    values = 1 - below if falling else below
    return [(float(score), float(value)) for score, value in zip(distinct, values, strict=True)]
