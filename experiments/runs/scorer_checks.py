"""Unit tests of a run's scorer on what each step's policy writes."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from experiments.runs.experiment import Experiment
from experiments.runs.finished_stages import rest_stages
from experiments.runs.run_folder import read_lines
from experiments.runs.settings import Settings
from experiments.runs.stages import translations_file
from seq2seq_env.tasks import Split

SCORER_TESTS = "scorer-unit-tests"
"""The stage of the scorer's unit tests on what each policy writes."""

CASES = 200
"""Right greedy translations of a stage that are corrupted at most, spread evenly over the test sources."""


def check_scorer(run: Experiment[Settings]) -> None:
    """The scorer's unit tests on greedy translations of every stage that the oracle finds right."""
    oracle = run.task.oracle
    if run.folder.has(SCORER_TESTS) or oracle is None:
        return
    results: dict[str, object] = {}
    if run.folder.is_writer:
        from experiments.scorer_training.scorer_report import unit_tests

        for stage in rest_stages(run.folder.path):
            lines = read_lines(run.folder.path / translations_file(stage))
            right = [line for line in lines if line["greedy_oracle"] == 1]
            if right:
                chosen = np.linspace(0, len(right) - 1, min(CASES, len(right)), dtype=int)
                right = [right[row] for row in chosen]
            split = Split("test", [line["source"] for line in right], [line["greedy"] for line in right])
            tests = unit_tests(run.evaluator.scorer, split, oracle, run.config.seed) if right else {}
            results[stage] = {name: asdict(test) for name, test in tests.items()}
    run.folder.finish(SCORER_TESTS, results)
