"""Score calibration: a scorer's own scale mapped to [0, 1] by its scores of certain texts, and written to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.description import check_free, write_description
from seq2seq_env.scorers.loading import load_scorer, resolve
from seq2seq_env.scorers.scorer import raw_scores
from seq2seq_env.scorers.wrappers.normalised import Knot, NormalisedScorer, affine_knots, quantile_knots
from seq2seq_env.tasks.task import SPLITS, Task

Method = Literal["affine", "quantile"]
"""Form of the map: two ends, or ranks."""


@dataclass(frozen=True)
class Calibration:
    """A normalisation, and the scores that it was calibrated on.

    Attributes:
        knots: Of the :class:`NormalisedScorer`.
        raw: float32 [N], the wrapped scorer's own scores.
        scores: float32 [N] in [0, 1], the normalised scores.
    """

    knots: list[Knot]
    raw: NDArray[np.float32]
    scores: NDArray[np.float32]


def task_pairs(task: Task, split: str, sources: int, seed: int) -> tuple[list[str], list[str]]:
    """Sources and hypotheses for a scale from bad to good: references, and as many of other sources.

    Args:
        task: Gives sources and references.
        split: One that has references.
        sources: Drawn without replacement; all if there are fewer.
        seed: Of the draw.

    Raises:
        ValueError: If the split has no references, or there are fewer than 2 sources, for which there is no other's.
    """
    most = min(sources, task.size(split))
    if most < 2:
        raise ValueError(f"a scorer cannot be calibrated on {most} sources; give 2 or more")
    rows = np.random.default_rng(seed).choice(task.size(split), size=most, replace=False)
    pairs = [task.pair(split, int(row)) for row in rows]
    own, references = [source for source, _ in pairs], [text for _, text in pairs if text is not None]
    if len(references) < len(own):
        raise ValueError(f"split {split!r} has no references to calibrate on; choose one of {', '.join(SPLITS)}")
    return own * 2, references + references[1:] + references[:1]


def calibrate(
    name: str,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    folder: Path,
    *,
    method: Method = "affine",
    percentiles: tuple[float, float] = (1.0, 99.0),
    knots: int = 101,
    falling: bool = False,
    calibrated_on: str = "",
    device: str = "cpu",
) -> Calibration:
    """Calibrate a scorer and write its normalisation to a folder that ``load_scorer`` reads.

    Args:
        name: Of the scorer, whose scores may be any finite numbers.
        sources: N of them, whose hypotheses are spread as those to be rated will be.
        hypotheses: N.
        folder: Made if it is not there.
        method: "affine" maps the lower of ``percentiles`` to 0 and the upper to 1; "quantile" maps a score to its rank.
        percentiles: Of the scores, in [0, 100]; for "affine".
        knots: Of "quantile", at least 2.
        falling: Whether small scores are good ones.
        calibrated_on: Description of the texts, for a reader.
        device: Where the scorer computes.

    Raises:
        ValueError: If a score is no finite number, all are the same, or an argument is out of range.
        TypeError: If the scorer gives no numbers.
        OSError: If the scorer is not there, or the folder has a description already.
    """
    lower, upper = percentiles
    if not 0 <= lower < upper <= 100:
        raise ValueError(f"the percentiles are {lower:g} and {upper:g}; give two that rise, from 0 to 100")
    check_free(folder)
    wrapped = resolve(name, Path.cwd())
    scorer = load_scorer(wrapped, device=device)
    raw = raw_scores(scorer, sources, hypotheses)
    if method == "quantile":
        made = quantile_knots(raw, knots, falling=falling)
    else:
        low, high = np.percentile(raw.astype(np.float64), (lower, upper)).tolist()
        made = affine_knots(high, low) if falling else affine_knots(low, high)
    scores = NormalisedScorer(scorer, made).mapped(raw)
    _write(folder, wrapped, made, scorer.fingerprint, calibrated_on)
    return Calibration(made, raw, scores)


def write_scale(name: str, low: float, high: float, folder: Path, *, device: str = "cpu") -> None:
    """Write an affine normalisation with a given scale to a folder that ``load_scorer`` reads.

    Args:
        name: Of the scorer.
        low: The score that becomes 0; above ``high`` where small scores are good ones.
        high: The score that becomes 1.
        folder: Made if it is not there.
        device: Where the scorer computes.

    Raises:
        ValueError: If ``low`` and ``high`` are no scale.
        OSError: As for :func:`calibrate`.
    """
    wrapped = resolve(name, Path.cwd())
    scorer = load_scorer(wrapped, device=device)
    knots = NormalisedScorer(scorer, affine_knots(low, high)).knots
    _write(folder, wrapped, knots, scorer.fingerprint, "given")


def _write(folder: Path, name: str, knots: list[Knot], fingerprint: str, calibrated_on: str) -> None:
    record: dict[str, Any] = {"kind": "normalised", "scorer": name, "knots": knots}
    record |= {"scorer_fingerprint": fingerprint, "calibrated_on": calibrated_on}
    write_description(folder, record)
