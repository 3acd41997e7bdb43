"""Text of one's own on the command line: its statistics, and the plan's options where none are given."""

from __future__ import annotations

from argparse import BooleanOptionalAction
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
    CorpusStatistics,
    improve_tokens,
    longest,
    plan,
    planned_judge,
    sentence_tokens,
    whole_number,
    with_budget,
)
from experiments.runs.presets import S, has_grow_steps, with_preset
from seq2seq_env.tasks import TaskOptions
from seq2seq_env.tasks.corpora.aligned_text import files_of, read_pairs, read_sources
from seq2seq_env.tasks.corpora.cleaning import bare, clean, composed, empty, first_reason, repeated
from seq2seq_env.tasks.task import SOURCE_ONLY, SPLITS
from seq2seq_env.writing import is_spaced, words


def with_plan(defaults: S, arguments: Sequence[str]) -> S:
    """A script's defaults with those that fit the text that its command line names; without such text, as they are.

    A preset has its own, and a pretrained policy its own size and learning rates. What the command line names takes
    those of the plan's options out that do not go with it.
    """
    arguments = [dashed(argument) for argument in arguments]
    task_options = {"nargs": "*", "default": []}
    known = look_ahead(arguments, task={}, preset={}, pretrained={}, scorer={}, **{"task-options": task_options})
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
    unplanned = _unplanned(arguments)
    growing = {name: value for name, value in preset.growing.items() if name not in unplanned}
    scorer = growing.get("scorer") if known.scorer is None else known.scorer if known.scorer != "None" else None
    growing["judge"] = planned_judge(scorer)
    tokens = improve_tokens(corpus, {**growing, **_drawing(arguments)})
    nested = {**preset.nested, "improve": with_budget(preset.nested["improve"], tokens)}
    if not has_grow_steps(defaults):  # what is planned are steps of Algorithm 1
        del nested["improve"]
    return with_preset(defaults, replace(preset, nested=_with_budgets(nested, arguments), growing=growing))


def _unplanned(arguments: Sequence[str]) -> set[str]:
    """The plan's options that do not go with what a command line names.

    Else they would refuse, or leave without effect, what somebody asks for, in the name of what nobody does.
    """
    options: dict[str, dict[str, Any]] = {
        "agent": {}, "recipe": {}, "improve-steps": {}, "filter-values": {"nargs": "*", "default": []},
        "restart": {"action": BooleanOptionalAction}, "data.rewrite": {"action": "store_true"}, "refresh-scorer": {},
        "grow-from": {}, "auto-sources": {},
    }  # fmt: skip
    known = vars(look_ahead(arguments, **options))
    unplanned = set()
    # They ask for a scorer that is learned, and whose training may go on.
    if any(argument.startswith("--estimator.") for argument in arguments) or _given(known["refresh_scorer"]):
        unplanned |= {"scorer"}
    takes_all = known["agent"] in agents.AGENTS and not agents.agent_class(known["agent"]).filters
    if takes_all or _given(known["recipe"]):
        unplanned |= {"arms", "data"}
    # A last step on the pairs alone wants others before it, and what they learned.
    if known["restart"] or known["improve_steps"] == "1":
        unplanned |= {"data"}
    # Numbers of candidates begin where rewards and shares of them end.
    if not all(number is None or number >= 1 for number in map(_number, known["filter_values"])):
        unplanned |= {"filter"}
    if known["data.rewrite"]:
        unplanned |= {"arms", "filter"}
    if known["auto_sources"] is not None:
        unplanned |= {"sources"}
    if known["grow_from"] not in (None, "source-only"):  # the planned numbers are of these sentences
        unplanned |= {"sources", "auto_sources"}
    return unplanned


def _given(value: str | None) -> bool:
    return value not in (None, "None")


def _number(text: str) -> float | None:
    """A value of a filter; None where it is no number, which the parser refuses."""
    try:
        return float(text)
    except ValueError:
        return None


def _drawing(arguments: Sequence[str]) -> dict[str, Any]:
    """What a command line names of the sources that a Grow step draws."""
    known = look_ahead(arguments, **{"grow-from": {}, "sources": {}, "auto-sources": {}})
    drawing: dict[str, Any] = {} if known.grow_from is None else {"grow_from": known.grow_from}
    if known.sources in ("None", "auto"):
        drawing["sources"] = None if known.sources == "None" else "auto"
    for name in ("sources", "auto_sources"):
        if number := whole_number(getattr(known, name)):
            drawing[name] = number
    return drawing


def dashed(argument: str) -> str:
    """An option's name as help has it, of its two spellings."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument


def _with_budgets(nested: Mapping[str, Mapping[str, Any]], arguments: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Planned trainings as they are where a command line names their length itself."""
    budgets = vars(look_ahead(arguments, **{f"{part}.max-tokens": {} for part in nested}))
    named = {part: max(0, whole_number(budgets[f"{part}.max_tokens"]) or 0) for part in nested}
    return {part: with_budget(values, named[part]) if named[part] else values for part, values in nested.items()}


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
    return _statistics(
        Path(options["folder"]).absolute(), options["source"], options["target"], *splits,
        options.get("source_only", SOURCE_ONLY), whole_number(options.get("max_tokens")),
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
    read = [(composed(one), composed(other)) for one, other in read_pairs(folder, train, source, target)]
    pairs, _ = clean(read, first_reason(empty, repeated()))
    if not pairs:
        raise ValueError(f"no line of {train!r} in {str(folder)!r} has text on both sides; give some pairs")
    lengths = []
    for side in zip(*pairs, strict=True):
        lengths += _numbers_of_words(side)
    lengths.sort()
    sources = {bare(one) for one, _ in pairs}
    measured = [name for name in (validation, test) if files_of(folder, name, source, target)]
    corpus = CorpusStatistics(
        pairs=len(pairs),
        sources=len(sources),
        words=sum(lengths),
        long_sentence=lengths[len(lengths) * 99 // 100],
        characters=len(set().union(*chain.from_iterable(pairs))),
        has_splits=bool(measured) or (validation, test) != SPLITS[1:],
    )
    if not files_of(folder, source_only, source):
        return corpus
    known = sources.union(bare(one) for name in measured for one, _ in read_pairs(folder, name, source, target))
    texts = list(dict.fromkeys(map(composed, read_sources(folder, source_only, source))))
    most = (max_tokens or longest(corpus)) / sentence_tokens(corpus, 1)
    alone = sum(
        length <= most and (text := bare(each)) != "" and text not in known
        for each, length in zip(texts, _numbers_of_words(texts), strict=True)
    )
    return replace(corpus, source_only=alone)


def _numbers_of_words(texts: Sequence[str]) -> list[int]:
    spaced = is_spaced(texts[:1_000])
    return [len(words(text, spaced=spaced)) for text in texts]
