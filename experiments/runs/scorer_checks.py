"""Unit tests of a run's scorer on what each step's policy writes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import rest_stages, stage_name, step_of
from experiments.runs.run_folder import read_lines
from experiments.runs.scorer_refresh import refresh_stage, scorer_at
from experiments.runs.settings import Settings
from experiments.runs.stages import translations_file
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Split

SCORER_TESTS = "scorer-unit-tests"
"""The stage of the scorer's unit tests on what each policy writes."""

CASES = 200
"""Right greedy translations of a stage that are corrupted at most, spread evenly over the test sources."""


def check_scorer(run: Experiment[Settings]) -> None:
    """The unit tests on greedy translations of every stage that the oracle finds right, of the run's scorer.

    Where the stage was trained on a refreshed scorer's rewards, that one is tested, too, under a name of its own.
    """
    if run.folder.has(SCORER_TESTS) or run.task.oracle is None:
        return
    results: dict[str, object] = {}
    if run.folder.is_writer:
        for stage in rest_stages(run.folder.path):
            results[stage] = _tests(run, stage, run.evaluator.scorer)
            grow_step = step_of(stage)[0]
            if run.folder.has(refresh_stage(grow_step)):
                refreshed = f"{stage_name(stage)}, {refresh_stage(grow_step)}"
                results[refreshed] = _tests(run, stage, scorer_at(run, grow_step))
    run.folder.finish(SCORER_TESTS, results)


def _tests(run: Experiment[Settings], stage: str, scorer: Scorer) -> dict[str, Any]:
    from experiments.scorer_training.scorer_report import unit_tests

    lines = read_lines(run.folder.path / translations_file(stage))
    right = [line for line in lines if line["greedy_oracle"] == 1]
    if not right or run.task.oracle is None:
        return {}
    chosen = np.linspace(0, len(right) - 1, min(CASES, len(right)), dtype=int)
    right = [right[row] for row in chosen]
    split = Split("test", [line["source"] for line in right], [line["greedy"] for line in right])
    return {name: asdict(test) for name, test in unit_tests(scorer, split, run.task.oracle, run.config.seed).items()}
