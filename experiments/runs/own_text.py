"""Text of one's own on the command line: its statistics, and the plan's options where none are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import agents
from experiments.command_line.parsing import look_ahead
from experiments.runs.plan import TASK, CorpusStatistics, plan
from experiments.runs.presets import S, with_preset
from seq2seq_env.tasks import TaskOptions
from seq2seq_env.tasks.corpora.aligned_text import files_of, read_pairs, read_sources
from seq2seq_env.tasks.task import SOURCE_ONLY
from seq2seq_env.writing import is_spaced, words


def with_plan(defaults: S, arguments: Sequence[str]) -> S:
    """A script's defaults with those that fit the text that its command line names; without such text, as they are.

    A preset has its own, and a pretrained policy its own size and learning rates. Options of an estimator ask for
    one; a recipe and an agent without a filter have the usual arms.
    """
    arguments = [
        f"--task-options{argument[14:]}" if argument.startswith("--task_options") else argument
        for argument in arguments
    ]  # fmt: skip
    task_options = {"nargs": "*", "default": []}
    known = look_ahead(
        arguments, task={}, preset={}, pretrained={}, recipe={}, agent={}, **{"task-options": task_options}
    )
    names, values = known.task_options[::2], known.task_options[1::2]
    corpus = statistics(dict(zip(names, values, strict=False))) if known.task == TASK else None
    if corpus is None or known.preset not in (None, "None"):
        return defaults
    preset = plan(corpus)
    if known.pretrained not in (None, "None"):
        preset = preset.for_pretrained()
    # What asks for something else than is planned.
    unplanned = {"scorer"} if any(argument.startswith("--estimator.") for argument in arguments) else set()
    takes_all = known.agent in agents.AGENTS and not agents.agent_class(known.agent).filters
    if takes_all or known.recipe not in (None, "None"):
        unplanned |= {"arms", "data"}
    growing = {name: value for name, value in preset.growing.items() if name not in unplanned}
    return with_preset(defaults, replace(preset, growing=growing))


def planned_options(task: str, options: TaskOptions) -> TaskOptions:
    """A task's options with the plan's where none are given; they come last, as a command line gives them whole."""
    corpus = statistics(options) if task == TASK else None
    return options if corpus is None else {**plan(corpus).task_options, **options}


def statistics(options: Mapping[str, str]) -> CorpusStatistics | None:
    """What a plan goes by, of the files that the options of the task name; None where they cannot be read.

    The task says why, when it is loaded.
    """
    if not {"folder", "source", "target"} <= options.keys():
        return None
    names = {name: options.get(name, name) for name in ("train", "validation", "test")}
    try:
        return _statistics(
            Path(options["folder"]).absolute(), options["source"], options["target"], *names.values(),
            options.get("source_only", SOURCE_ONLY),
        )  # fmt: skip
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4)
def _statistics(
    folder: Path, source: str, target: str, train: str, validation: str, test: str, source_only: str
) -> CorpusStatistics | None:
    pairs = [pair for pair in read_pairs(folder, train, source, target) if pair[0].strip() and pair[1].strip()]
    if not pairs:
        return None
    lengths = []
    for side in zip(*pairs, strict=True):
        spaced = is_spaced(side[:1_000])
        lengths += [len(words(text, spaced=spaced)) for text in side]
    lengths.sort()
    there = files_of(folder, source_only, source)
    return CorpusStatistics(
        pairs=len(pairs),
        words=sum(lengths),
        long_sentence=lengths[len(lengths) * 99 // 100],
        source_only=len({text for text in read_sources(folder, source_only, source) if text.strip()}) if there else 0,
        has_splits=any(files_of(folder, name, source, target) for name in (validation, test)),
    )
