"""The making of a task's learned scorer: which kind fits the task, its options, its checkpoint and its report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.names import TaskName
from experiments.scorer_training.estimator_config import EstimatorConfig
from experiments.scorer_training.oracle_config import OracleConfig
from seq2seq_env.atomic_files import write_json
from seq2seq_env.ranges import check_seed
from seq2seq_env.scorers import SCORERS
from seq2seq_env.tasks import Task, TaskOptions, load_task

if TYPE_CHECKING:
    from experiments.scorer_training.scorer_report import ScorerReport

SHIPPED = Path(__file__).parents[2] / "seq2seq_env" / "scorers" / "phrasebook_qe"
"""Folder of the default task's scorer, which comes with the package."""

REPORT = "report.json"
"""File of a scorer's folder: its measurements, the options it was made with and its task's fingerprint. It is written
last."""


@dataclass(frozen=True)
class ScorerConfig:
    """Options of a scorer's training."""

    task: TaskName = "phrasebook-de-en"
    """Task whose translations the scorer will judge."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task text-files --task-options folder data source de target
    en."""
    oracle: OracleConfig = field(default_factory=OracleConfig)
    """Budgets of a scorer trained on an oracle's ratings, for a task that has an oracle."""
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    """Budgets of a predictor-estimator, for a task without an oracle."""
    refresh: str | None = None
    """Scorer to train further on the ratings of --estimator.ratings, a folder or a name, in place of making one: a
    learned one's network, or the head of a predictor-estimator, from --estimator.head. It stays as it is, and the new
    one goes to --out. None makes a scorer."""
    seed: int = 0
    """Seed of weights, corruptions and samples, 0 or more."""
    out: Path | None = None
    """Folder that the checkpoint and report.json are written to; None makes the shipped scorer of the default task."""

    def recorded(self) -> dict[str, Any]:
        """What determines the scorer, as JSON can hold it."""
        config = {name: value for name, value in asdict(self).items() if name != "out"}
        config["estimator"] = {k: v for k, v in config["estimator"].items() if k not in ("device", "processes")}
        return json.loads(json.dumps(config, default=str))  # type: ignore[no-any-return]


def make_scorer(config: ScorerConfig) -> None:
    """Train, save, measure, and write report.json.

    Raises:
        ValueError: If an option cannot work.
        OSError: If a file cannot be read, or the folder not be written.
    """
    check_seed(config.seed)
    task = load_task(config.task, **config.task_options)
    folder = config.out or (SHIPPED if config.task == ScorerConfig.task else None)
    if folder is None:
        raise ValueError(f"a scorer for {config.task!r} needs a folder; name one with --out")
    if config.refresh is not None and config.out is None:
        raise ValueError("the scorer that --refresh makes needs a folder; name one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    report, trainings = _train(config, task, folder)
    numbers = report.numbers() | ({"refresh": trainings} if trainings else {}) | {"config": config.recorded()}
    numbers["task_fingerprint"] = task.fingerprint
    write_json(folder / REPORT, numbers)
    print(report.markdown())
    print(f"wrote the scorer and {REPORT} to {folder}; scorers known by name: {', '.join(SCORERS)}")


def _train(config: ScorerConfig, task: Task, folder: Path) -> tuple[ScorerReport, list[dict[str, Any]]]:
    """Train by what the task can give: an oracle's ratings, or its pairs alone; or train further on ratings.

    The trainings are imported where they run: a command's options come without PyTorch.

    Returns:
        The report, and what is known of each training on ratings of a refresh.
    """
    if config.refresh is not None:
        if config.oracle != OracleConfig():
            raise ValueError("--refresh learns from ratings, and takes no options of --oracle")
        from experiments.scorer_training import refresh

        return refresh.make(config.refresh, config.estimator, task, folder, config.seed)
    if task.oracle is not None:
        if config.estimator != EstimatorConfig():
            raise ValueError(
                f"task {config.task!r} has an oracle; its scorer takes options of --oracle, not --estimator"
            )
        from experiments.scorer_training import oracle_training

        return oracle_training.make(config.oracle, config.task, config.task_options, folder, config.seed), []
    if config.oracle != OracleConfig():
        raise ValueError(f"task {config.task!r} has no oracle; its scorer takes options of --estimator, not --oracle")
    for note in task.notes:
        print(note)
    from experiments.scorer_training import estimator_training

    return estimator_training.make(config.estimator, task, folder, config.seed), []
