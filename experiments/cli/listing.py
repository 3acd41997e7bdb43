"""List what has a name: agents, tasks, scorers, regimes of the phrasebook, presets, recipes, data sets and filters."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import tyro

from experiments.command_line.parsing import parse
from seq2seq_env.commands import command_frame

What = Literal["agents", "tasks", "scorers", "regimes", "presets", "recipes", "datasets", "filters"]


@dataclass(frozen=True)
class List:
    """Options of the list."""

    what: tyro.conf.Positional[tuple[What, ...]] = ()
    """What to list; none lists everything."""
    json: bool = False
    """Print JSON in place of text."""

    def run(self) -> None:
        """Print names, each with a line on what it is."""
        lists = {what: LISTS[what]() for what in self.what or get_args(What)}
        if self.json:
            print(json.dumps(lists, indent=2, ensure_ascii=False))
            return
        for what, names in lists.items():
            width = max(map(len, names)) + 2
            print(f"{what}:")
            for name, text in names.items():
                print(f"  {name:{width}}{text}")


def _agents() -> dict[str, str]:
    from agents import AGENTS

    return {name: _summary(place) for name, place in AGENTS.items()}


def _tasks() -> dict[str, str]:
    from seq2seq_env.tasks.loading import TASKS

    return {name: _imported_summary(place) for name, place in TASKS.items()}


def _scorers() -> dict[str, str]:
    from seq2seq_env.scorers.loading import KINDS, SCORERS

    named = dict.fromkeys(SCORERS, "The scorer of a task that is generated here.")
    return named | {f"{kind}:": _imported_summary(place) for kind, place in KINDS.items()} | {
        "FOLDER": "A scorer that rest scorer made, a sequence-regression checkpoint, or a scorer.json."
    }  # fmt: skip


def _regimes() -> dict[str, str]:
    from seq2seq_env.tasks.phrasebook.regimes import REGIMES

    return {
        name: f"{each.train_size:,} pairs, {each.noise:.0%} of them faulty, {each.source_only_size:,} source-only "
        f"sentences{' of other forms' if each.pair_forms != each.other_forms else ''}"
        for name, each in REGIMES.items()
    }


def _presets() -> dict[str, str]:
    from experiments.runs.presets import PRESETS

    return {name: f"task {each.task}, {_options(each.task_options)}" for name, each in PRESETS.items()}


def _recipes() -> dict[str, str]:
    from experiments.runs.recipes import RECIPES

    return {name: each.summary for name, each in RECIPES.items()}


def _datasets() -> dict[str, str]:
    from seq2seq_env.tasks.corpora.aliases import ALIASES

    return {name: _options(options) for name, options in ALIASES.items()}


def _filters() -> dict[str, str]:
    from buffers.filters import FILTERS

    return {name: (each.__doc__ or "").partition("\n")[0] for name, each in FILTERS.items()}


LISTS: dict[What, Callable[[], dict[str, str]]] = {
    "agents": _agents,
    "tasks": _tasks,
    "scorers": _scorers,
    "regimes": _regimes,
    "presets": _presets,
    "recipes": _recipes,
    "datasets": _datasets,
    "filters": _filters,
}


def _summary(place: str) -> str:
    """The first line of the docstring of ``module:class``, read without importing what the class needs."""
    module, _, name = place.partition(":")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    raise LookupError(place)


def _imported_summary(place: str) -> str:
    """The same of a class whose module is soon imported."""
    module, _, name = place.partition(":")
    return str(getattr(import_module(module), name).__doc__).partition("\n")[0]


def _options(options: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())


def main(arguments: Sequence[str]) -> None:
    """``rest list``."""
    with command_frame():
        parse(List, arguments, prog="rest list", description=__doc__).run()
