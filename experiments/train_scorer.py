"""Make a learned scorer, which reads source and hypothesis only, for a task.

Where the task has an oracle, it stands for human raters and rates a limited number of hypotheses. For other text, two
translation models are trained on its pairs and read hypotheses of held-out sources, which are labelled by chrF against
their references, or by ratings of your own.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from experiments.scorer_training.estimator_config import EstimatorConfig
from experiments.scorer_training.oracle_config import OracleConfig
from seq2seq_env.scorers import SCORERS
from seq2seq_env.tasks import Task, TaskOptions, load_task

if TYPE_CHECKING:
    from experiments.scorer_training.scorer_report import ScorerReport

SHIPPED = Path(__file__).parent.parent / "seq2seq_env" / "scorers" / "phrasebook_qe"


@dataclass(frozen=True)
class Config:
    """Options of the scorer's training."""

    task: str = "phrasebook-de-en"
    """Task whose translations it will judge."""
    task_options: TaskOptions = field(default_factory=dict)
    """Its options, names and values in turn: --task text-files --task-options folder data source de target en."""
    oracle: OracleConfig = field(default_factory=OracleConfig)
    """For a task with an oracle."""
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    """For any other task."""
    seed: int = 0
    """Of weights, damage and samples, from 0."""
    out: Path | None = None
    """Folder that the checkpoint and report.json are written to; None makes the shipped scorer of the default task."""

    def recorded(self) -> dict[str, Any]:
        """What determines the scorer, as JSON can hold it."""
        config = {name: value for name, value in asdict(self).items() if name != "out"}
        config["estimator"] = {k: v for k, v in config["estimator"].items() if k not in ("device", "processes")}
        return json.loads(json.dumps(config, default=str))  # type: ignore[no-any-return]


def make_scorer(config: Config) -> None:
    """Train, save, measure, and write report.json.

    Raises:
        ValueError: If an option cannot work.
        OSError: If a file cannot be read, or the folder not be written.
    """
    task = load_task(config.task, **config.task_options)
    folder = config.out or (SHIPPED if config.task == Config.task else None)
    if folder is None:
        raise ValueError(f"a scorer for {config.task!r} needs a folder; name one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    report = _made(config, task, folder)
    numbers = report.numbers() | {"config": config.recorded()}
    (folder / "report.json").write_text(json.dumps(numbers, indent=2) + "\n", "utf-8")
    print(report.markdown())
    print(f"wrote the scorer and report.json to {folder}; scorers known by name: {', '.join(SCORERS)}")


def _made(config: Config, task: Task, folder: Path) -> ScorerReport:
    if task.oracle is not None:
        if config.estimator != EstimatorConfig():
            raise ValueError(
                f"task {config.task!r} has an oracle; its scorer takes options of --oracle, not --estimator"
            )
        from experiments.scorer_training import oracle_training

        return oracle_training.make(config.oracle, config.task, config.task_options, folder, config.seed)
    if config.oracle != OracleConfig():
        raise ValueError(f"task {config.task!r} has no oracle; its scorer takes options of --estimator, not --oracle")
    for note in task.notes:
        print(note)
    from experiments.scorer_training import estimator_training

    return estimator_training.make(config.estimator, task, folder, config.seed)


def main() -> None:
    """The scorer that the command line asks for; exit with 1 and one sentence where something is wrong."""
    config = tyro.cli(Config, description=__doc__)
    try:
        make_scorer(config)
    except (ValueError, TypeError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on after the last finished translation model")
    options = " ".join(f"{name} {value}" for name, value in config.task_options.items())
    task = f" --task {config.task} --task-options {options}" if options else ""
    scorer = f" --scorer {config.out}" if config.out else ""
    print(f"next: run the main job with it: python experiments/growing_batch.py{task}{scorer}")


if __name__ == "__main__":
    main()
