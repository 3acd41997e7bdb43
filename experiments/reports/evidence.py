"""Evidence of one run or several: what stands above the best control, source by source.

ReST's last policy is compared with the arms that trained as long on other data, greedily, by beam search where that was
measured, and by samples, and its samples with those of the supervised policy at equal entropy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.reports.corpus_scores import CORPUS_SCORES, pseudo_values
from experiments.reports.statistics import Interval, interval, means_by_source, stack, sums_by_source
from experiments.reports.tables import Table, number, p_value, table
from experiments.runs.arms import Arm, arm_stage
from experiments.runs.finished_stages import final_stage
from experiments.runs.run_folder import read_lines
from experiments.runs.stages import EQUAL_ENTROPY, translations_file

DECODES = {"greedy": "greedy translations", "beam": "translations by beam search", "sample": "samples"}

TITLES = {"oracle": "true quality", "judge": "judge", "reward": "learned reward"}
"""Of what each translation has by itself; what is trusted most comes first."""

MEASURES = {"oracle": TITLES["oracle"]} | {name: each.title for name, each in CORPUS_SCORES.items()} | TITLES
"""The same with scores of a whole corpus by its references, which stand behind true quality alone."""


class Comparison(NamedTuple):
    """ReST's last policy and the best of some controls, by one measure.

    Attributes:
        decode: "greedy", "beam" or "sample".
        measure: A key of :data:`MEASURES`.
        rest: ReST's mean over runs and sources, or the mean of its runs' corpus scores.
        control: Name of the best control.
        best: The same of it.
        difference: Of the two, source by source.
        by_run: The difference in each run.
    """

    decode: str
    measure: str
    rest: float
    control: str
    best: float
    difference: Interval
    by_run: list[float]

    @property
    def shown(self) -> bool:
        """Whether the interval of the difference is above 0; of an error rate, below."""
        return self.difference.low > 0 if _sign(self.measure) > 0 else self.difference.high < 0

    @property
    def decimals(self) -> str:
        """Format of its numbers."""
        return ".1f" if self.measure in CORPUS_SCORES else ".3f"

    def __str__(self) -> str:
        """A sentence."""
        side = "above" if _sign(self.measure) > 0 else "below"
        control = "the control" if self.control == EQUAL_ENTROPY else "the best control,"
        return (
            f"{MEASURES[self.measure]} of {DECODES[self.decode]}: {self.rest:{self.decimals}}, "
            f"{'' if self.shown else 'NOT SHOWN to be '}{side} {control} {self.control} ({self.best:{self.decimals}}), "
            f"by {self.difference:+{self.decimals}}"
        )


class _Values(NamedTuple):
    """One stage of R runs by one measure."""

    scores: NDArray[np.float64]
    """float64 [R], of all lines together."""
    shares: NDArray[np.float64]
    """float64 [R,N], what each source adds; lines of one source are one of the N, over which intervals are."""


def comparisons(runs: Sequence[Path]) -> list[Comparison]:
    """What finished runs of one configuration show, the true quality of greedy translations first, or their BLEU.

    Arms that all of the runs have count. Of a single run, an interval speaks of its sources alone. Corpus scores are of
    the likeliest translations.

    Args:
        runs: Folders of growing_batch.py.
    """
    stages = _arms(runs)
    arms = [*stages]
    evidence = []
    for decode, controls in (("greedy", arms), ("beam", arms), ("sample", arms), ("sample", [EQUAL_ENTROPY])):
        for measure in TITLES if decode == "sample" else MEASURES:
            rest = _values(runs, [final_stage(run) for run in runs], decode, measure)
            values = {stage: _values(runs, [stage] * len(runs), decode, measure) for stage in controls}
            known = {str(stages.get(stage, stage)): each for stage, each in values.items() if each is not None}
            if rest is not None and known:
                evidence.append(_against_best(decode, measure, rest, known))
    return evidence


def each_control(runs: Sequence[Path]) -> list[Comparison]:
    """ReST's greedy translations against every arm that all of the runs have, by what :func:`comparisons` has first."""
    final = [final_stage(run) for run in runs]
    for measure in MEASURES:
        rest = _values(runs, final, "greedy", measure)
        if rest is not None:
            arms = {arm: _values(runs, [stage] * len(runs), "greedy", measure) for stage, arm in _arms(runs).items()}
            known = [{str(arm): values} for arm, values in arms.items() if values is not None]
            return [_against_best("greedy", measure, rest, control) for control in known]
    return []


def _arms(runs: Sequence[Path]) -> dict[str, Arm]:
    stages = {arm_stage(arm): arm for arm in get_args(Arm)}
    return {
        stage: arm for stage, arm in stages.items() if all((run / translations_file(stage)).is_file() for run in runs)
    }


def _values(runs: Sequence[Path], stages: Sequence[str], decode: str, measure: str) -> _Values | None:
    """Of kept test translations; None where a run lacks its stage or the column."""
    if measure not in CORPUS_SCORES:
        values = _line_values(runs, stages, f"{decode}_{measure}")
        return None if values is None else _Values(values.mean(axis=1), _grouped(values, runs[0], stages[0]))
    _, statistics_of, score, _ = CORPUS_SCORES[measure]
    scores, rows = [], []
    for run, stage in zip(runs, stages, strict=True):
        lines = _lines(run, stage)
        if not lines or not {decode, "reference"} <= lines[0].keys():
            return None
        of_lines = statistics_of(*([line[name] for line in lines] for name in (decode, "reference")))
        statistics = sums_by_source(of_lines, [line["source"] for line in lines])
        scores.append(float(score(statistics.sum(axis=0))))
        rows.append(pseudo_values(statistics, score).tolist())
    return _Values(np.array(scores), stack(rows))


def _against_best(decode: str, measure: str, rest: _Values, controls: Mapping[str, _Values]) -> Comparison:
    best = max(controls, key=lambda name: _sign(measure) * float(controls[name].scores.mean()))
    control = controls[best]
    by_run = rest.scores - control.scores
    # Around the difference itself, from which the mean of pseudo-values is off by a little.
    difference = interval(rest.shares - control.shares).around(float(by_run.mean()))
    means = (float(each.scores.mean()) for each in (rest, control))
    return Comparison(decode, measure, next(means), best, next(means), difference, by_run.tolist())


def _sign(measure: str) -> int:
    return CORPUS_SCORES[measure].sign if measure in CORPUS_SCORES else 1


def _lines(run: Path, stage: str) -> list[dict[str, Any]]:
    path = run / translations_file(stage)
    return read_lines(path) if path.is_file() else []


def source_values(runs: Sequence[Path], stages: Sequence[str], name: str) -> NDArray[np.float64] | None:
    """One column of kept test translations, float64 [R,N]; None where a run lacks its stage or the column.

    Of a source that the split holds several times it is the mean.
    """
    values = _line_values(runs, stages, name)
    return None if values is None else _grouped(values, runs[0], stages[0])


def _grouped(values: NDArray[np.float64], run: Path, stage: str) -> NDArray[np.float64]:
    return means_by_source(values.T, [line["source"] for line in _lines(run, stage)]).T


def _line_values(runs: Sequence[Path], stages: Sequence[str], name: str) -> NDArray[np.float64] | None:
    """float64 [R,lines]."""
    rows = []
    for run, stage in zip(runs, stages, strict=True):
        lines = _lines(run, stage)
        if not lines or name not in lines[0]:
            return None
        rows.append([line[name] for line in lines])
    return stack(rows)


def evidence_table(evidence: Sequence[Comparison], name: str = "ReST", control: str = "best control") -> Table:
    """Markdown, a row a comparison; ``name`` is what trained the last policy, ``control`` which controls these are."""
    several = bool(evidence) and len(evidence[0].by_run) > 1
    head = ["measure", name, control, "", "difference", "p", *(["by run"] if several else [])]
    rows = []
    for each in evidence:
        row = [f"{each.decode} {MEASURES[each.measure]}", number(each.rest), each.control, number(each.best)]
        row += [f"{each.difference:+{each.decimals}}", p_value(each.difference.p)]
        rows.append([*row, " ".join(f"{gain:+{each.decimals}}" for gain in each.by_run)] if several else row)
    return table(head, rows)
