"""Measures of one system's translations, or of two paired sentence by sentence, with intervals over the sentences.

Shape letter: N sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.corpus_scores import CORPUS_SCORES, CorpusScore, pseudo_values
from experiments.reports.statistics import Interval, holm, interval, means_by_source, sums_by_source
from experiments.reports.tables import p_value, table
from seq2seq_env.scorers import checked_scores, load_scorer
from seq2seq_env.tasks import Oracle, Task

ORACLE = "true quality"


class _Values(NamedTuple):
    """One system by one measure."""

    score: float
    """Of all sentences together."""
    values: NDArray[np.float64]
    """float64 [N], what each sentence adds to it; sentences of one source are one of the N."""


@dataclass(frozen=True)
class Measured:
    """One or two systems by one measure.

    Attributes:
        measure: Its name.
        scores: Of each system, with its interval.
        difference: Of the second from the first; None of a single system.
        p: Of no difference, corrected for the number of measures; None of a single system.
    """

    measure: str
    scores: list[Interval]
    difference: Interval | None = None
    p: float | None = None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        bounds = ("mean", "low", "high")
        scores = [{name: getattr(each, name) for name in bounds} for each in self.scores]
        record: dict[str, Any] = {"measure": self.measure, "scores": scores}
        if self.difference is not None:
            record["difference"] = {name: getattr(self.difference, name) for name in bounds} | {"p": self.p}
        return record


def measure_systems(
    systems: Sequence[Sequence[str]],
    sources: Sequence[str] | None,
    references: Sequence[str] | None,
    scorers: Sequence[str] = (),
    oracle: Oracle | None = None,
    device: str = "cpu",
    task: Task | None = None,
) -> list[Measured]:
    """All measures that the texts allow: BLEU, chrF and TER by references, scorers and the oracle by sources.

    Args:
        systems: One or two systems' N hypotheses.
        sources: N; None where they are not known.
        references: N; None where they are not known.
        scorers: Names of scorers.
        oracle: Gives true qualities; None where there is none.
        device: Of the scorers.
        task: For scorers that go by its pairs; None where it is not known.

    Raises:
        ValueError: If scorers lack sources, or there is nothing to measure by, or less than two sentences that differ
            in their source.
    """
    if scorers and sources is None:
        raise ValueError("scorers read sources, and there are none; give --sources, JSON Lines with them, or a --task")
    # Where sources are not known, each sentence is one of its own.
    rows = [str(row) for row in range(len(systems[0]))] if sources is None else sources
    if len({*rows}) < 2:
        one = "sentence" if len(systems[0]) < 2 else "source"
        raise ValueError(f"there is one {one}, and an interval wants two at least; give more")
    measures: dict[str, list[_Values]] = {}
    if references is not None:
        for score in CORPUS_SCORES.values():
            measures[score.title] = [_corpus(score, each, references, rows) for each in systems]
    for name in scorers:
        assert sources is not None
        scorer = load_scorer(name, device=device, task=task)
        measures[name] = [_mean(checked_scores(scorer, sources, each), rows) for each in systems]
    if oracle is not None and sources is not None:
        measures[ORACLE] = [_mean(oracle(sources, list(each)), rows) for each in systems]
    if not measures:
        raise ValueError("there is nothing to measure by; give --references, --scorers with --sources, or a --task")
    differences = {
        name: _interval(each[1].score - each[0].score, each[1].values - each[0].values)
        for name, each in measures.items() if len(each) == 2
    }  # fmt: skip
    corrected = holm({name: each.p for name, each in differences.items()})
    return [
        Measured(name, [_interval(*one) for one in each], differences.get(name), corrected.get(name))
        for name, each in measures.items()
    ]


def measures_table(measured: Sequence[Measured]) -> str:
    """Markdown, a row a measure."""
    paired = any(each.difference is not None for each in measured)
    titles = {score.title for score in CORPUS_SCORES.values()}
    head = ["measure", "A [95 %]", *(["B [95 %]", "B - A [95 %]", "p (Holm)"] if paired else [])]
    rows = []
    for each in measured:
        digits = ".1f" if each.measure in titles else ".3f"
        row = [each.measure, *(f"{score:{digits}}" for score in each.scores)]
        if each.difference is not None and each.p is not None:
            row += [f"{each.difference:+{digits}}", p_value(each.p)]
        rows.append(row)
    return table(head, rows)


def _corpus(
    score: CorpusScore, hypotheses: Sequence[str], references: Sequence[str], sources: Sequence[str]
) -> _Values:
    """A corpus score and its pseudo-values, whose mean is not quite it."""
    statistics = sums_by_source(score.statistics(hypotheses, references), sources)
    return _Values(float(score.score(statistics.sum(axis=0))), pseudo_values(statistics, score.score))


def _mean(values: NDArray[np.float32], sources: Sequence[str]) -> _Values:
    exact = values.astype(np.float64)
    return _Values(float(exact.mean()), means_by_source(exact, sources))


def _interval(score: float, values: NDArray[np.float64]) -> Interval:
    """Around the score itself, as wide as the values' is."""
    return interval(values[None]).around(score)
