"""What finished runs say: arrays of whole runs, by reward, true quality and BLEU.

Shape letters: R runs, N sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.paper.verdicts import Correlations
from experiments.reports.evidence import source_values
from experiments.runs.finished_stages import rest_stages, stage_name, step_of
from experiments.runs.last_weights import last_translations
from experiments.runs.run_folder import STAGES
from experiments.runs.scorer_refresh import refresh_stage
from experiments.runs.stages import translations_file
from seq2seq_env.atomic_files import read_json

SAMPLE_REWARD, SAMPLE_ORACLE, GREEDY_ORACLE = "sample_reward", "sample_oracle", "greedy_oracle"
"""Columns of kept translations."""

TEST = "test samples, last weights less the start"
VALIDATION = "validation samples, last weights less the start (which was chosen by them, so that gains look smaller)"


def values(runs: Sequence[Path], stage: str, column: str) -> NDArray[np.float64]:
    """A column of a stage's test translations, float64 [R,N].

    Raises:
        FileNotFoundError: If a run has no such stage, or did not measure it.
    """
    known = source_values(runs, [stage] * len(runs), column)
    if known is None:
        raise FileNotFoundError(
            f"no {column} of stage {stage!r} in {' '.join(map(str, runs))}; finish these runs, or see their warnings"
        )
    return known


def last_improve(run: Path, grow: int) -> str:
    """Stage of the last Improve step of a Grow step.

    Raises:
        FileNotFoundError: If the run has no such Grow step, because it has fewer or a gate ended it.
    """
    stages = [stage for stage in rest_stages(run) if step_of(stage)[0] == grow]
    if not stages:
        raise FileNotFoundError(f"no Improve step of Grow step {grow} in {run}; give runs that have one")
    return stages[-1]


def step_gains(runs: Sequence[Path]) -> tuple[dict[str, NDArray[np.float64]], str]:
    """Gains in reward of each Improve step: its last weights less what it started from, [R,N].

    The best weights cannot fall, as those before the step are among them. Runs that kept no translations of last
    weights have their validation rewards by the curve of the training: one number a run, [R,1].

    Returns:
        By step, and what they are of.
    """
    stages = rest_stages(runs[0])
    gains = {}
    for before, stage in pairwise(stages):
        files = [last_translations(run, stage) for run in runs]
        if not all((run / file).is_file() for run, file in zip(runs, files, strict=True)):
            return {stage_name(each): curve_gains(runs, each) for each in stages[1:]}, VALIDATION
        last = source_values(runs, [Path(file).stem for file in files], SAMPLE_REWARD)
        assert last is not None
        gains[stage_name(stage)] = last - values(runs, before, SAMPLE_REWARD)
    return gains, TEST


def curve_gains(runs: Sequence[Path], stage: str) -> NDArray[np.float64]:
    """Validation reward after a training's last token less that before its first, [R,1]; 0 where it had none."""
    curves = [_curve(read_json(run / STAGES / f"{stage}.json")) for run in runs]
    # A filter that keeps nothing leaves an empty curve, and the policy as it was.
    return np.array([[curve[-1][1] - curve[0][1] if curve else 0.0] for curve in curves])


def _curve(record: Any) -> list[list[float]]:
    """Of a step of growing_batch.py, or of a trial of compare_agents.py."""
    rows = record["steps"] if isinstance(record, dict) else record
    curve: list[list[float]] = rows[-1]["curve"] if isinstance(record, dict) else rows[0]["curve"]
    return curve


def accuracy_changes(runs: Sequence[Path], grow: int) -> NDArray[np.float64]:
    """Within-source accuracy of the scorer refreshed at a Grow step less that of the run's first scorer, [R].

    On that step's samples of sources that neither learned from; NaN of a run that could not compare them.

    Raises:
        FileNotFoundError: If a run refreshed nothing there.
    """
    records = [read_json(run / STAGES / f"{refresh_stage(grow)}.json") for run in runs]
    known = [record["since_first"] for record in records]
    return np.array([np.nan if each is None else each["difference"] for each in known], dtype=np.float64)


def bleu_changes(runs: Sequence[Path], stage: str) -> NDArray[np.float64]:
    """Greedy BLEU of a stage less the supervised policy's, [R]."""
    changes = []
    for run in runs:
        before, after = (measured_on_test(run, each, "greedy", "bleu") for each in ("g0i0", stage))
        changes.append(after - before)
    return np.array(changes)


def measured_on_test(run: Path, stage: str, decode: str, measure: str) -> float:
    """A measure of a stage's translations of the test sources, such as the "nats" of each "sample"."""
    record = read_json(run / STAGES / f"{stage}.json")
    if isinstance(record, dict):
        return float(record["steps"][-1][f"{decode}_{measure}"])
    return next(float(row[measure]) for row in record if (row["split"], row["decode"]) == ("test", decode))


class Trained(NamedTuple):
    """What it took to get from the supervised policy to a stage: target tokens of the policy, seconds, own samples.

    Seconds are those of the trainings, online with their sampling, and leave evaluations of finished stages out.
    Samples are of online agents alone, else 0.
    """

    tokens: int = 0
    seconds: float = 0.0
    samples: int = 0


def trained(run: Path, stage: str) -> Trained:
    """Of a trial of compare_agents.py, or of all Improve steps up to one of growing_batch.py or online.py."""
    record = read_json(run / STAGES / f"{stage}.json")
    if isinstance(record, dict):
        steps = record["steps"]
        seconds = record["prepare_seconds"] + sum(step["seconds"] for step in steps)
        return Trained(sum(step["tokens"] for step in steps), seconds)
    stages = rest_stages(run)
    rows = [read_json(run / STAGES / f"{each}.json")[0] for each in stages[1 : stages.index(stage) + 1]]
    samples = sum(row.get("samples", 0) for row in rows)
    return Trained(sum(row["train_tokens"] for row in rows), sum(row["seconds"] for row in rows), samples)


def samples_drawn(runs: Sequence[Path], stage: str) -> NDArray[np.float64]:
    """Samples that the training of a stage of online.py drew, [R]."""
    return np.array([float(read_json(run / STAGES / f"{stage}.json")[0]["samples"]) for run in runs])


def value_correlations(seeds: Sequence[Path], stage: str) -> Correlations:
    """Of the value and the reward of training data at the final position.

    NaN where the values of a run are all equal.
    """
    reports = [read_json(seed / STAGES / f"{stage}.json")["value_report"]["train"]["final"] for seed in seeds]
    return Correlations(
        *(np.array([report[kind] for report in reports], dtype=np.float64) for kind in Correlations._fields)
    )


def has_stage(runs: Sequence[Path], stage: str) -> bool:
    """Whether all runs kept a stage's test translations."""
    return all((run / translations_file(stage)).is_file() for run in runs)
