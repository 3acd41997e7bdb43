"""Frame of every run: options, task, scorer, folder, time spent, and errors in one sentence."""

from __future__ import annotations

import atexit
import gc
import io
import logging
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from typing import TypeVar

import agents
from agents.training.device import known_device
from experiments.command_line.parsing import look_ahead, parse
from experiments.command_line.refusals import usage_errors
from experiments.runs.evaluation import Evaluator
from experiments.runs.experiment import Experiment
from experiments.runs.own_text import dashed, planned_options, statistics, with_plan
from experiments.runs.plan import TASK, summary
from experiments.runs.presets import check_sizes, preset_settings, with_task_options
from experiments.runs.ready_scorer import check_trust, own_config, own_folder, ready_scorer
from experiments.runs.recipes import recipe_arguments
from experiments.runs.run_folder import RunFolder, check_place
from experiments.runs.settings import Settings
from experiments.runs.supervised import starting_policy
from experiments.scorer_training.make_scorer import make_scorer
from seq2seq_env import commands
from seq2seq_env.extras import missing
from seq2seq_env.process_group import process_state
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import Task, load_task

C = TypeVar("C", bound=Settings)

GARBAGE_THRESHOLD = 50_000
"""New objects before Python looks for garbage: by its 700 it looks again and again among all that is imported later."""

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
    config = checked(config)
    config = replace(config, device=known_device(config.device))
    task = load_task(config.task, **config.options_of_task())
    config = config.with_filter(task).with_sources(task)
    for note in task.notes:
        print(note)
    if absent := missing("report"):
        print(f"no plots or no TensorBoard logs: {' and '.join(absent)} not installed, see the extra report")
    name = ready_scorer(config, task)
    judge = None if config.judge is None else load_scorer(config.judge, device=config.device, task=task)
    scorer = load_scorer(name or own_scorer(config, task), device=config.device, task=task)
    fingerprints = {"task_fingerprint": task.fingerprint, "scorer_fingerprint": scorer.fingerprint}
    if judge is not None:
        fingerprints["judge_fingerprint"] = judge.fingerprint
    folder = RunFolder(config.out, config.recorded() | fingerprints, config.log_with, type(config)().recorded())
    evaluator = Evaluator(
        task, scorer, temperature=config.temperature, seed=config.seed, judge=judge, beams=config.beams,
        watch=folder.watch,
    )  # fmt: skip
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
    """Folder of the scorer that ``train_scorer.py`` makes of the task's pairs by default.

    It may take hours, so that a policy that the run cannot start from is refused before.

    Raises:
        ValueError: If several processes would make it, it is near chance, or the policy does not fit the task.
        OSError: If the policy cannot be had.
    """
    from accelerate import PartialState

    if PartialState().num_processes > 1:
        raise ValueError(
            f"task {config.task!r} has no scorer of its own; make one with train_scorer.py first, in one process, and "
            "name it with --scorer"
        )
    check_place(config.out)
    starting_policy(replace(config, start=config.start_of(config.seed)), task)
    folder = own_folder(config)
    print(f"task {config.task!r} has no scorer of its own: one is made of its pairs first, in {folder}")
    make_scorer(own_config(config))
    check_trust(config, str(folder))
    return str(folder)


def main(
    kind: type[C],
    description: str | None,
    work: Work[C],
    report: Work[C],
    *,
    arguments: Sequence[str] | None = None,
    prog: str | None = None,
    most_used: Collection[str] = (),
) -> None:
    """The run that the command line asks for.

    Args:
        kind: Its options.
        description: Of the help.
        work: What takes time.
        report: What is made of its results.
        arguments: The command line behind the program's name; None takes this process's.
        prog: The program's name in the help.
        most_used: Options that a short help shows; none shows all.

    Raises:
        SystemExit: With 2 and one sentence where the options cannot be meant, and with 1 where something else is wrong.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    with commands.command_frame("stopped; the same command goes on from the last finished stage or evaluation"):
        arguments = commands.arguments() if arguments is None else arguments
        with imports_that_stay():
            config = options(kind, arguments, prog=prog, description=description, most_used=most_used)
            with usage_errors():
                checked(config)
            import_module("accelerate")
            if not config.plan:
                import_module("transformers.modeling_utils")  # what every policy and learned scorer imports

        # The first state of a process decides for good on its device.
        # What several processes of one run do alike, one of them says.
        first = process_state(cpu=config.device == "cpu").is_main_process
        with redirect_stdout(sys.stdout if first else io.StringIO()):
            show_plan(config)
            if not config.plan:
                execute(config, work, report)


@contextmanager
def imports_that_stay() -> Iterator[None]:
    """A block of imports: no look for garbage in it, and none later among what it made, some million objects."""
    gc.disable()
    try:
        yield
        gc.freeze()
        atexit.register(gc.unfreeze)  # at the end nanobind calls leaked what is frozen
    finally:
        gc.enable()


def options(
    kind: type[C],
    arguments: Sequence[str],
    *,
    prog: str | None = None,
    description: str | None = None,
    most_used: Collection[str] = (),
) -> C:
    """The options of a script that a command line asks for, presets, recipes and plans in place; see :func:`main`.

    Raises:
        UsageError: If they cannot be meant.
        SystemExit: After help, with 0.
    """
    config = parse(
        kind,
        arguments,
        prog=prog,
        description=description,
        defaults=partial(_defaults, kind),
        implied=partial(_implied, kind),
        most_used=most_used,
    )
    with usage_errors():
        _check_filter_named(config, arguments)
        if config.preset is None:
            return replace(config, task_options=planned_options(config.task, config.task_options))
        return config


def show_plan(config: Settings) -> None:
    """What a run is about to do: on text of one's own in five lines; where it is asked for, with times."""
    corpus = statistics(config.task_options) if config.task == TASK and config.preset is None else None
    for line in [] if corpus is None else summary(config, corpus):
        print(line)
    if config.plan:
        # PyTorch is imported where it is used: a command's options come without it.
        from experiments.runs.forecast import forecast

        config = checked(config)
        for line in forecast(replace(config, device=known_device(config.device))):
            print(line)


def checked(config: C) -> C:
    """The options with a preset's for its task, after a look for what cannot work.

    Raises:
        ValueError: If an option cannot work.
        TypeError: If an agent's option is no number where one is wanted.
        ImportError: If what an option needs is not installed.
        OSError: If what an option names is not there.
    """
    config = with_task_options(config)
    config.check()
    check_sizes(config)
    return config


def _check_filter_named(config: Settings, arguments: Sequence[str]) -> None:
    """Refuse a filter that a command line names for an agent that asks for none.

    Presets, plans and files of options have filters for whichever agent is named beside them.

    Raises:
        ValueError: If there is one.
    """
    agent: str | None = getattr(config, "agent", None)
    known = vars(look_ahead(list(map(dashed, arguments)), filter={}, **{"filter-values": {"nargs": "*"}}))
    named = [name for name, value in known.items() if value is not None]
    if agent is not None and named and not agents.agent_class(agent).filters:
        option = "--" + named[0].replace("_", "-")
        raise ValueError(f"agent {agent!r} asks for no filter; leave out {option}, or choose another")


def _implied(kind: type[C], arguments: Sequence[str]) -> list[str]:
    """The options of a recipe, where the script has them and one is named."""
    if "recipe" not in {each.name for each in fields(kind)}:
        return []
    known = look_ahead(arguments, recipe={}, agent={})
    return [] if known.recipe in (None, "None") else recipe_arguments(known.recipe, kind, known.agent)


def _defaults(kind: type[C], arguments: Sequence[str]) -> C:
    """What options stand for where they are not given: a preset, own text and a pretrained policy change that."""
    optional = {"type": lambda text: None if text == "None" else text}
    known = vars(look_ahead(arguments, preset=optional, pretrained=optional, **{"lora.rank": {}}))
    adapters = known["lora.rank"] not in (None, "0")
    return with_plan(preset_settings(kind(), known["preset"], known["pretrained"], adapters=adapters), arguments)
