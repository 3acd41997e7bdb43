"""A finished run, made once for all tests that only read it, and text to train scorers on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.growing_batch import Config, growing_batch, report
from experiments.runs.experiment import Experiment
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import GROWING, begin
from tests.experiments.tiny_scorer import write_pairs


@pytest.fixture(scope="session")
def finished_run(tiny_task: Task, fake_scorer: Any, tmp_path_factory: pytest.TempPathFactory) -> Experiment[Config]:
    """A run of growing_batch.py with its report; nobody may change its folder."""
    run = begin(GROWING, tmp_path_factory.mktemp("finished") / "run", tiny_task, fake_scorer)
    growing_batch(run)
    run.folder.spend(60.0)
    report(run)
    return run


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Task options of aligned text files that a scorer can be made of."""
    return write_pairs(tmp_path)
