"""Frame of every run: options, task, scorer, folder, time spent, and errors in one sentence."""

from __future__ import annotations

import argparse
import io
import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TypeVar

import tyro

from agents.training.device import known_device
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.presets import check_sizes, preset_settings, with_task_options
from experiments.runs.run_folder import RunFolder, check_place
from experiments.runs.settings import Settings
from experiments.scorer_training.estimator_config import EstimatorConfig
from experiments.scorer_training.make_scorer import REPORT, ScorerConfig, make_scorer
from seq2seq_env.atomic_files import read_json
from seq2seq_env.commands import arguments, command_frame
from seq2seq_env.extras import missing
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

PRETRAINED_OPTIONS = ("tokenizer", "source_language", "target_language", "source_prefix")
"""Options of a task that are of a pretrained model's tokenizer."""

C = TypeVar("C", bound=Settings)

Work = Callable[[Experiment[C]], None]
"""A script's own part."""


def execute(config: C, work: Work[C], report: Work[C]) -> None:
    """A whole run: what takes time, then what is made of its results.

    Raises:
        ValueError: If an option cannot work.
        TypeError: If an agent's option is no number where one is wanted.
        OSError: If the folder holds something else, or cannot be written.
        FloatingPointError: If a loss stops being finite.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]

    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("agents").setLevel(logging.INFO)
    started = time.perf_counter()
    config = with_task_options(config)
    config.check()
    check_sizes(config)
    config = replace(config, device=known_device(config.device))
    task = load_task(config.task, **config.options_of_task())
    config = config.with_filter(task).with_sources(task)
    for note in task.notes:
        print(note)
    if absent := missing("report"):
        print(f"no plots or no TensorBoard logs: {' and '.join(absent)} not installed, see the extra report")
    scorer = load_scorer(config.scorer or task.default_scorer or own_scorer(config, task), device=config.device)
    fingerprints = {"task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    judge = None
    if config.judge is not None:
        judge = load_scorer(config.judge, device=config.device)
        fingerprints["judge_fingerprint"] = judge.fingerprint
    folder = RunFolder(config.out, config.recorded() | fingerprints)
    evaluator = Evaluator(
        task, scorer, judge=judge, temperature=config.temperature, seed=config.seed, watch=folder.watch
    )
    run = Experiment(config, task, evaluator, folder)
    try:
        work(run)
    finally:
        folder.spend(time.perf_counter() - started)
        folder.close()
    if folder.is_writer:
        report(run)
    print(f"took {time.perf_counter() - started:.0f} s")
    if (processes := PartialState()).num_processes > 1:
        # Who leaves while the other still talks to it may be aborted by gloo's threads.
        processes.wait_for_everyone()
        processes.destroy_process_group()


def own_scorer(config: Settings, task: Task) -> str:
    """Folder of the scorer that ``train_scorer.py`` makes of the task's pairs by default; made where it is not there.

    Few pairs get narrower translation models.

    Raises:
        ValueError: If another task's scorer is there, or several processes would make it.
    """
    from accelerate import PartialState

    folder = config.out.resolve().with_name(config.out.resolve().name + "-scorer")
    # The scorer reads text, in tokens of its own.
    options = {name: value for name, value in config.task_options.items() if name not in PRETRAINED_OPTIONS}
    estimator = EstimatorConfig(device=config.device).fitted(len(set(task.split("train").sources)))
    wanted = ScorerConfig(config.task, options, estimator=estimator, seed=config.seed, out=folder)
    report = folder / REPORT
    if report.is_file():
        if read_json(report)["config"] != wanted.recorded():
            raise ValueError(
                f"the scorer in {str(folder)!r} was made otherwise; name it with --scorer, or another --out"
            )
    elif PartialState().num_processes > 1:
        raise ValueError(
            f"task {config.task!r} has no scorer of its own; make one with train_scorer.py first, in one process, and "
            "name it with --scorer"
        )
    else:
        check_place(config.out)
        print(f"task {config.task!r} has no scorer of its own: one is made of its pairs first, in {folder}")
        make_scorer(wanted)
    return str(folder)


def main(kind: type[C], description: str | None, work: Work[C], report: Work[C]) -> None:
    """The run that the command line asks for; exit with 1 and one sentence where something is wrong."""
    with command_frame("stopped; the same command goes on after the last finished stage"):
        given = arguments()
        config = tyro.cli(kind, args=given, default=_defaults(kind, given), description=description)
        from accelerate import PartialState

        # The first PartialState of a process decides for good on its device.
        # What several processes of one run do alike, one of them says.
        with redirect_stdout(sys.stdout if PartialState(cpu=config.device == "cpu").is_main_process else io.StringIO()):
            execute(config, work, report)


def _defaults(kind: type[C], arguments: Sequence[str]) -> C:
    """What the other options stand for where they are not given: a preset and a pretrained policy change that."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("preset", "pretrained"):
        first.add_argument(f"--{name}", type=lambda text: None if text == "None" else text)
    known, _ = first.parse_known_args(arguments)
    return preset_settings(kind(), known.preset, known.pretrained)
