"""Guards of a run: which translations of each step break a rule, whether or not the run's scorer is guarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.tables import Table, table
from seq2seq_env.extras import missing
from seq2seq_env.scorers import GUARD_RULES, GuardedScorer, GuardOptions, Guards, Scorer
from seq2seq_env.tasks import Task

Hits = dict[str, NDArray[np.bool_]]
"""By rule, whether each translation breaks it, bool [N]."""


class RunGuards(NamedTuple):
    """The rules that a report goes by, and what it has to say of them."""

    guards: Guards
    note: str


def run_guards(task: Task, scorer: Scorer) -> RunGuards:
    """The scorer's own guards, or else all that the task's references and the installed packages allow."""
    if isinstance(scorer, GuardedScorer):
        return RunGuards(scorer.guards, _said(scorer.guards, "Rewards of what breaks a rule are lowered in this run."))
    rules = [rule for rule in GUARD_RULES if rule != "language"]
    told = "Rewards are not lowered by them in this run."
    if missing("langid"):
        guards = Guards.of_task(task, GuardOptions(rules=",".join(rules)))
        return RunGuards(guards, _said(guards, f"{told} Without the extra langid nothing is said of the language."))
    try:
        guards = Guards.of_task(task)
    except ValueError as error:  # a language without a model
        guards = Guards.of_task(task, GuardOptions(rules=",".join(rules)))
        told = f"{told} Nothing is said of the language: {error}."
    return RunGuards(guards, _said(guards, told))


def stage_hits(guards: Guards, lines: Sequence[Mapping[str, Any]], decode: str) -> Hits:
    """Which of a stage's kept translations break a rule."""
    return guards.hits([line["source"] for line in lines], [line[decode] for line in lines])


def any_hit(hits: Hits) -> NDArray[np.bool_]:
    """Whether each translation breaks a rule, bool [N]."""
    return np.asarray(np.any(list(hits.values()), axis=0))


def counts(hits: Hits) -> dict[str, int]:
    """How many translations break each rule, and under "any" at least one."""
    return {name: int(each.sum()) for name, each in (*hits.items(), ("any", any_hit(hits)))}


def guard_table(by_step: Mapping[tuple[str, str], Mapping[str, int]]) -> Table:
    """Markdown, a row for each step and decoding.

    Args:
        by_step: Counts by step and decoding.
    """
    rules = list(next(iter(by_step.values()), {}))
    rows = ([step, decode, *(str(each[rule]) for rule in rules)] for (step, decode), each in by_step.items())
    return table(["step", "decoding", *rules], rows)


def _said(guards: Guards, more: str) -> str:
    limits = []
    for rule, (low, high) in guards.limits.items():
        if rule == "length":
            limits.append(f"length from {np.exp(low):.2f} to {np.exp(high):.2f} of the source's")
        elif rule == "language":
            limits.append(f"language {guards.language}")
        elif rule != "empty":
            limits.append(f"{rule} at most {high:.2g}")
    return f"Limits that the training references keep: {', '.join(limits)}. {more}"
