"""Evidence of one run or several: what stands above the best control, source by source.

ReST's last policy is compared with the arms that trained as long on other data, greedily and by samples, and its
samples with those of the supervised policy at equal entropy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.reports.statistics import Interval, interval, stack
from experiments.reports.tables import Table, number, p_value, table
from experiments.runs.arms import Arm, arm_stage
from experiments.runs.finished_stages import final_stage
from experiments.runs.run_folder import read_lines
from experiments.runs.stages import EQUAL_ENTROPY, translations_file

TITLES = {"oracle": "true quality", "judge": "judge", "reward": "learned reward"}


class Comparison(NamedTuple):
    """ReST's last policy and the best of some controls, by one measure.

    Attributes:
        decode: "greedy" or "sample".
        measure: "oracle", "judge" or "reward".
        rest: ReST's mean over runs and sources.
        control: Name of the best control.
        best: Its mean.
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
        """Whether the interval of the difference is above 0."""
        return self.difference.low > 0

    def __str__(self) -> str:
        """A sentence."""
        what = f"{TITLES[self.measure]} of {'greedy translations' if self.decode == 'greedy' else 'samples'}"
        verdict = "above the best control" if self.shown else "NOT SHOWN to be above the best control"
        return f"{what}: {self.rest:.3f}, {verdict}, {self.control} ({self.best:.3f}), by {self.difference:+.3f}"


def comparisons(runs: Sequence[Path]) -> list[Comparison]:
    """What finished runs of one configuration show, the true quality of greedy translations first.

    Arms that all of the runs have count. Of a single run, an interval speaks of its sources alone.

    Args:
        runs: Folders of growing_batch.py.
    """
    stages = {arm_stage(arm): arm for arm in get_args(Arm)}
    arms = [stage for stage in stages if all((run / translations_file(stage)).is_file() for run in runs)]
    evidence = []
    for decode, controls in (("greedy", arms), ("sample", arms), ("sample", [EQUAL_ENTROPY])):
        for measure in TITLES:
            name = f"{decode}_{measure}"
            rest = source_values(runs, [final_stage(run) for run in runs], name)
            values = {stage: source_values(runs, [stage] * len(runs), name) for stage in controls}
            known = {stage: each for stage, each in values.items() if each is not None}
            if rest is not None and known:
                named = {stages.get(stage, stage): each for stage, each in known.items()}
                evidence.append(_against_best(decode, measure, rest, named))
    return evidence


def _against_best(
    decode: str, measure: str, rest: NDArray[np.float64], controls: Mapping[str, NDArray[np.float64]]
) -> Comparison:
    best = max(controls, key=lambda name: controls[name].mean())
    difference = rest - controls[best]
    by_run = difference.mean(axis=1).tolist()
    means = float(rest.mean()), float(controls[best].mean())
    return Comparison(decode, measure, means[0], best, means[1], interval(difference), by_run)


def source_values(runs: Sequence[Path], stages: Sequence[str], name: str) -> NDArray[np.float64] | None:
    """One column of kept test translations, float64 [R,N]; None where a run lacks its stage or the column."""
    rows = []
    for run, stage in zip(runs, stages, strict=True):
        path = run / translations_file(stage)
        lines = read_lines(path) if path.is_file() else []
        if not lines or name not in lines[0]:
            return None
        rows.append([line[name] for line in lines])
    return stack(rows)


def evidence_table(evidence: Sequence[Comparison], name: str = "ReST") -> Table:
    """Markdown, a row a comparison; ``name`` is what trained the last policy."""
    several = bool(evidence) and len(evidence[0].by_run) > 1
    head = ["measure", name, "best control", "", "difference", "p", *(["by run"] if several else [])]
    rows = []
    for each in evidence:
        row = [f"{each.decode} {TITLES[each.measure]}", number(each.rest), each.control, number(each.best)]
        row += [f"{each.difference:+.3f}", p_value(each.difference.p)]
        rows.append([*row, " ".join(f"{gain:+.3f}" for gain in each.by_run)] if several else row)
    return table(head, rows)
