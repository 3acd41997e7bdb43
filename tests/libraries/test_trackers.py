"""Trackers: what a run logs is in wandb's, mlflow's and trackio's own files, read back with their own readers.

They bring many packages, so that `.ci/libraries recording` installs them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from experiments.growing_batch import Config, growing_batch
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder
from experiments.runs.run_log import TrackerName
from seq2seq_env.extras import is_installed
from tests.conftest import OverlapScorer, TinyTask
from tests.experiments.tiny_experiment import GROWING

TRACKERS: tuple[TrackerName, ...] = get_args(TrackerName)
CONTROL = "control-filtered"

pytestmark = [
    pytest.mark.skipif(
        not all(map(is_installed, TRACKERS)), reason="wandb, mlflow and trackio are not installed, see .ci/libraries"
    ),
    pytest.mark.filterwarnings("ignore"),  # theirs
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that logs with all at once; nothing of it leaves the machine."""
    home = tmp_path_factory.mktemp("logged")
    os.environ |= {
        "WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "TRACKIO_DIR": str(home / "trackio"),
    }  # fmt: skip
    task = TinyTask()
    config: Config = replace(GROWING, arms=("filtered",), log_with=TRACKERS, out=home / "run")
    run_folder = RunFolder(config.out, config.recorded(), config.log_with)
    evaluator = Evaluator(task, OverlapScorer(task), temperature=config.temperature, seed=config.seed)
    growing_batch(Experiment(config, task, evaluator, run_folder))
    run_folder.close()
    return home
