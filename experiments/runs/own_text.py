"""Text of one's own on the command line: its statistics, and the plan's options where none are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import agents
from experiments.command_line.parsing import look_ahead
from experiments.runs.plan import (
    TASK,
    TOKENS_PER_WORD,
    CorpusStatistics,
    longest,
    plan,
    planned_judge,
    with_budget,
)
from experiments.runs.presets import S, with_preset
from seq2seq_env.tasks import TaskOptions
from seq2seq_env.tasks.corpora.aligned_text import files_of, read_pairs, read_sources
from seq2seq_env.tasks.corpora.cleaning import bare
from seq2seq_env.tasks.task import SOURCE_ONLY, SPLITS
from seq2seq_env.writing import is_spaced, words


def with_plan(defaults: S, arguments: Sequence[str]) -> S:
    """A script's defaults with those that fit the text that its command line names; without such text, as they are.

    A preset has its own, and a pretrained policy its own size and learning rates. Options of an estimator ask for
    one; a recipe and an agent without a filter have the usual arms.
    """
    arguments = [_dashed(argument) for argument in arguments]
    task_options = {"nargs": "*", "default": []}
    known = look_ahead(
        arguments, task={}, preset={}, pretrained={}, recipe={}, agent={}, scorer={}, **{"task-options": task_options}
    )
    names, values = known.task_options[::2], known.task_options[1::2]
    try:
        corpus = statistics(dict(zip(names, values, strict=False))) if known.task == TASK else None
    except (OSError, ValueError):
        corpus = None  # help is to be had all the same; :func:`planned_options` says why
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
    scorer = growing.get("scorer") if known.scorer is None else known.scorer if known.scorer != "None" else None
    growing["judge"] = planned_judge(scorer)
    return with_preset(defaults, replace(preset, nested=_with_budgets(preset.nested, arguments), growing=growing))


def _dashed(argument: str) -> str:
    """An option's name as help has it, of its two spellings."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


def _with_budgets(nested: Mapping[str, Mapping[str, Any]], arguments: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Planned trainings as they are where a command line names their length itself."""
    budgets = vars(look_ahead(arguments, **{f"{part}.max-tokens": {} for part in nested}))
    named = {part: budgets[f"{part}.max_tokens"] for part in nested}
    tokens = {part: int(text) for part, text in named.items() if text is not None and text.isdecimal()}
    return {part: with_budget(values, tokens[part]) if tokens.get(part) else values for part, values in nested.items()}


def planned_options(task: str, options: TaskOptions) -> TaskOptions:
    """A task's options with the plan's where none are given; they come last, as a command line gives them whole."""
    corpus = statistics(options) if task == TASK else None
    return options if corpus is None else {**plan(corpus).task_options, **options}


def statistics(options: Mapping[str, str]) -> CorpusStatistics | None:
    """What a plan goes by, of the files that the options of the task name; None where they name none.

    Raises:
        OSError: If a file is not there, or cannot be read.
        ValueError: If the files do not fit together, are not UTF-8, or have no pair.
    """
    if not {"folder", "source", "target"} <= options.keys():
        return None
    splits = [options.get(name, name) for name in SPLITS]
    most = options.get("max_tokens", "")
    return _statistics(
        Path(options["folder"]).absolute(), options["source"], options["target"], *splits,
        options.get("source_only", SOURCE_ONLY), int(most) if most.isdecimal() else None,
    )  # fmt: skip


@lru_cache(maxsize=4)
def _statistics(
    folder: Path,
    source: str,
    target: str,
    train: str,
    validation: str,
    test: str,
    source_only: str,
    max_tokens: int | None,
) -> CorpusStatistics:
    pairs = [pair for pair in read_pairs(folder, train, source, target) if pair[0].strip() and pair[1].strip()]
    if not pairs:
        raise ValueError(f"no line of {train!r} in {str(folder)!r} has text on both sides; give some pairs")
    lengths = []
    for side in zip(*pairs, strict=True):
        lengths += _numbers_of_words(side)
    lengths.sort()
    long_sentence = lengths[len(lengths) * 99 // 100]
    measured = [name for name in (validation, test) if files_of(folder, name, source, target)]
    alone = 0
    if files_of(folder, source_only, source):
        known = {one for one, _ in chain(pairs, *(read_pairs(folder, name, source, target) for name in measured))}
        texts = list(dict.fromkeys(read_sources(folder, source_only, source)))
        most = (max_tokens or longest(long_sentence)) / TOKENS_PER_WORD
        alone = sum(
            0 < length <= most and text not in known
            for text, length in zip(texts, _numbers_of_words(texts), strict=True)
        )
    return CorpusStatistics(
        pairs=len(pairs),
        sources=len({bare(one) for one, _ in pairs}),
        words=sum(lengths),
        long_sentence=long_sentence,
        source_only=alone,
        has_splits=bool(measured),
    )


def _numbers_of_words(texts: Sequence[str]) -> list[int]:
    spaced = is_spaced(texts[:1_000])
    return [len(words(text, spaced=spaced)) for text in texts]
