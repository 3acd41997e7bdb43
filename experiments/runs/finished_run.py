"""Finished run, opened again: its task, its scorer and its policies, and whether they are still what they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.runs.arms import Arm, arm_stage
from experiments.runs.finished_stages import is_step, step_of
from experiments.runs.run_folder import CHECKPOINTS, CONFIG, bound, own_scorer_folder, read_lines
from experiments.runs.settings import Settings
from experiments.runs.stages import SUPERVISED, translations_file
from seq2seq_env.atomic_files import read_json
from seq2seq_env.scorers import CachedScorer, Scorer, checked_scores, load_scorer
from seq2seq_env.tasks import Task, load_task

CHECKED = 200
"""Kept translations that are scored again where a fingerprint differs."""

TOLERANCE = 1e-4
"""By which a score may differ on another machine."""


@dataclass(frozen=True)
class FinishedRun:
    """A folder of growing_batch.py or online.py, with what made it.

    Attributes:
        path: The folder.
        config: Its options.
        task: Gives the oracle, where there is one.
        scorer: Of the rewards.
        judge: The second scorer; None where the run has none.
        notes: What differs from when the run was made and was checked to give the same scores, in sentences.
    """

    path: Path
    config: dict[str, Any]
    task: Task
    scorer: Scorer
    judge: Scorer | None = None
    notes: tuple[str, ...] = ()

    @property
    def sources(self) -> list[str]:
        """The test sources, as the run translated them."""
        return [line["source"] for line in read_lines(self.path / translations_file(SUPERVISED))]

    @property
    def gold(self) -> str | None:
        """What stands for true quality: "oracle", else "judge", else nothing."""
        return "oracle" if self.task.oracle else "judge" if self.judge else None

    def gold_scores(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32] | None:
        """``[N]`` in [0, 1] by what stands for true quality; None where nothing does."""
        if self.task.oracle:
            return self.task.oracle(sources, hypotheses)
        return checked_scores(self.judge, sources, hypotheses) if self.judge else None

    @property
    def steps(self) -> list[str]:
        """Stages of the supervised policy and of every Improve step, in order."""
        names = [path.name for path in (self.path / CHECKPOINTS).iterdir()]
        return sorted(filter(is_step, names), key=stage_place)

    @property
    def arms(self) -> list[str]:
        """Stages of the arms' last policies."""
        return [arm_stage(arm) for arm in get_args(Arm) if self.checkpoint(arm_stage(arm)).is_dir()]

    def checkpoint(self, stage: str) -> Path:
        """Folder of a stage's policy."""
        return self.path / CHECKPOINTS / stage


def stage_place(stage: str) -> tuple[int, ...]:
    """By which stages are sorted: the supervised policy, Improve steps, arms."""
    arms = [arm_stage(arm) for arm in get_args(Arm)]
    return (0, *step_of(stage)) if is_step(stage) else (1, arms.index(stage))


def check_alike(runs: Sequence[FinishedRun]) -> None:
    """Refuse runs that differ by more than their seed.

    Raises:
        ValueError: Naming what they differ in.
    """
    for run in runs[1:]:
        if different := different_options(runs[0].config, run.config, made_scorers(each.path for each in runs)):
            raise ValueError(
                f"{str(runs[0].path)!r} and {str(run.path)!r} differ in {', '.join(different)}; name runs of one "
                "configuration"
            )


def different_options(one: Mapping[str, Any], other: Mapping[str, Any], own_scorers: bool = False) -> list[str]:
    """Recorded options in which two runs differ, but for a seed and what it has of its own.

    Args:
        one: Of the first run.
        other: Of the second.
        own_scorers: Whether a scorer is what a seed has of its own, too.
    """
    one, other = bound(one), bound(other)
    different = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return sorted(different - {"seed", "start", "buffer"} - ({"scorer_fingerprint"} if own_scorers else set()))


def made_scorers(runs: Iterable[Path]) -> bool:
    """Whether each of the runs made its scorer itself, of its task's pairs and by its seed."""
    return all(own_scorer_folder(run).is_dir() and read_json(run / CONFIG)["scorer"] is None for run in runs)


def open_run(path: Path, device: str = "cpu") -> FinishedRun:
    """A finished run with its task and scorers, which must score its kept translations as they did.

    Args:
        path: Its folder.
        device: Of the scorers.

    Raises:
        FileNotFoundError: If the folder holds no finished run, or its scorer is not there.
        ValueError: If the oracle or a scorer is another one today.
    """
    if not (path / CONFIG).is_file() or not (path / translations_file(SUPERVISED)).is_file():
        raise FileNotFoundError(
            f"no finished run in {str(path)!r}; name a folder that growing_batch.py or online.py wrote to its end"
        )
    config = read_json(path / CONFIG)
    task = task_of(config)
    # Where a task has no scorer of its own, growing_batch.py made one beside the run.
    name = config["scorer"] or task.default_scorer or str(own_scorer_folder(path))
    scorer = CachedScorer(load_scorer(name, device=device, task=task), max_entries=1_000_000)
    judge = load_scorer(config["judge"], device=device, task=task) if config.get("judge") else None
    run = FinishedRun(path, config, task, scorer, CachedScorer(judge) if judge else None)
    return replace(run, notes=differences(run))


def task_of(config: Mapping[str, Any]) -> Task:
    """The task of a run, by the options that its config.json holds."""
    settings = Settings(task=config["task"], task_options=config["task_options"], pretrained=config.get("pretrained"))
    return load_task(settings.task, **settings.options_of_task())


def differences(run: FinishedRun) -> tuple[str, ...]:
    """What differs from when the run was made, and scores its kept translations alike; a sentence each.

    Raises:
        ValueError: If scores of kept translations differ.
    """
    lines = [line for line in read_lines(run.path / translations_file(SUPERVISED)) if "greedy" in line][:CHECKED]
    sources, texts = ([line[name] for line in lines] for name in ("source", "greedy"))
    notes = []
    for name, fingerprint, column in (
        ("task", run.task.fingerprint, "greedy_oracle"),
        ("scorer", run.scorer.fingerprint, "greedy_reward"),
        ("judge", run.judge.fingerprint if run.judge else None, "greedy_judge"),
    ):
        if run.config.get(f"{name}_fingerprint", fingerprint) == fingerprint:
            continue
        now = _scores(run, column, sources, texts)
        kept = None if now is None else np.array([line[column] for line in lines])
        if now is not None and kept is not None and np.abs(now - kept).max(initial=0) > TOLERANCE:
            raise ValueError(
                f"the {name} of {str(run.path)!r} scores its kept translations otherwise today, by up to "
                f"{np.abs(now - kept).max():.3f}; check out the commit of the run, or run it again"
            )
        same = "" if now is None else f"; {len(lines)} kept translations get the scores that they got then"
        notes.append(f"The fingerprint of the {name} differs from the run's, because its code changed since{same}.")
    return tuple(notes)


def _scores(run: FinishedRun, column: str, sources: Sequence[str], texts: Sequence[str]) -> NDArray[np.float32] | None:
    if column == "greedy_oracle":
        return run.task.oracle(sources, texts) if run.task.oracle else None
    scorer = run.scorer if column == "greedy_reward" else run.judge
    return checked_scores(scorer, sources, texts) if scorer else None
