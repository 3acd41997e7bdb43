"""Scorer that a run need not make: one that is named, the task's, or one of the task's pairs that was made before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from experiments.runs.run_folder import own_scorer_folder
from experiments.runs.settings import Settings
from experiments.scorer_training.estimator_config import EstimatorConfig
from experiments.scorer_training.make_scorer import REPORT, ScorerConfig
from experiments.scorer_training.trust import check_counts, check_reward
from seq2seq_env.atomic_files import read_json
from seq2seq_env.tasks import Task, load_task

PRETRAINED_OPTIONS = ("tokenizer", "source_language", "target_language", "source_prefix", "prompt", "chat")
"""Options of a task that are of a pretrained model's tokenizer."""


def ready_scorer(config: Settings, task: Task) -> str | None:
    """Name of the scorer that a run takes; None where one is made first.

    Raises:
        ValueError: If it is near chance and not forced, one of another configuration or of other texts is where it
            would be made, or it has options of one that is made.
    """
    name = config.scorer or task.default_scorer
    if name and config.estimator != EstimatorConfig():
        raise ValueError(f"options of --estimator make a scorer, and the run has {name!r}; leave them out")
    if name is None:
        name = str(own_folder(config))
        path = own_folder(config) / REPORT
        if not path.is_file():
            return None
        report = read_json(path)
        if report["config"] != own_config(config).recorded():
            raise ValueError(f"the scorer in {name!r} was made otherwise; name it with --scorer, or another --out")
        made_of = report.get("task_fingerprint")  # older reports do not say it
        if made_of is not None and made_of != _own_task(config, task).fingerprint:
            raise ValueError(
                f"the scorer in {name!r} was made of other texts than task {config.task!r} has now; delete that "
                "folder, and one is made of these, or name another --out"
            )
    check_trust(config, name)
    if not config.force_scorer:
        check_counts(name, task)
    return name


def own_folder(config: Settings) -> Path:
    """Folder, beside the run's, of a scorer that is made of the task's pairs."""
    return own_scorer_folder(config.out)


def own_config(config: Settings) -> ScorerConfig:
    """What ``train_scorer.py`` would be told, to make one there."""
    # The scorer reads text, in tokens of its own.
    options = {name: value for name, value in config.task_options.items() if name not in PRETRAINED_OPTIONS}
    estimator = replace(config.estimator, device=config.device)
    return ScorerConfig(config.task, options, estimator=estimator, seed=config.seed, out=own_folder(config))


def _own_task(config: Settings, task: Task) -> Task:
    """The task that ``train_scorer.py`` would make a scorer of: the run's, but for a pretrained policy's tokenizer."""
    options = own_config(config).task_options
    return task if options == config.options_of_task() else load_task(config.task, **options)


def check_trust(config: Settings, name: str) -> None:
    """Refuse a scorer near chance, unless it is forced.

    Raises:
        ValueError: If it is one.
    """
    if not config.force_scorer:
        check_reward(name)
