"""Which agent wins the benchmark: differences within each seed, whose policies start alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.reports.benchmark_cells import Cell
from experiments.reports.statistics import Interval, holm, interval
from experiments.reports.tables import p_value, table

REFERENCE = "filtered-bc"
"""The control: behaviour cloning of what the filter keeps, without which no objective has shown anything."""

LEVEL = 0.05


class Gains(NamedTuple):
    """Mean differences of one agent, over seeds, each the mean of its data sets; None of fewer than two seeds.

    Attributes:
        start: Greedy scores, less the supervised policy's, which are 0.
        reference: Greedy scores, less those of :data:`REFERENCE` on the same data sets; its p-value is corrected.
        entropy: Scores of samples, less those of the supervised policy's samples at the temperature of equal entropy.
    """

    start: Interval | None
    reference: Interval | None
    entropy: Interval | None


def gains(by_agent: Mapping[str, Sequence[Cell]]) -> dict[str, Gains]:
    """Of each agent; p-values against the reference are corrected by Holm for the number of agents held against it."""
    found: dict[str, Gains] = {}
    reference = by_agent.get(REFERENCE, ())
    for agent, cells in by_agent.items():
        against = None if agent == REFERENCE else _over_seeds(_differences(cells, reference))
        entropy = [
            (run.seed, run.score("samples") - run.score("supervised at its entropy"))
            for cell in cells for run in cell.runs
        ]  # fmt: skip
        start = [(run.seed, run.score("greedy")) for cell in cells for run in cell.runs]
        found[agent] = Gains(_over_seeds(start), against, _over_seeds(entropy))
    corrected = holm({agent: each.reference.p for agent, each in found.items() if each.reference is not None})
    return {
        agent: each if each.reference is None else
        each._replace(reference=each.reference._replace(p=corrected[agent]))
        for agent, each in found.items()
    }  # fmt: skip


def verdict(known: Mapping[str, Gains], order: Sequence[str]) -> list[str]:
    """Sentences on who wins, and the table of :func:`gains`.

    Args:
        known: By agent.
        order: Of the agents in the table.
    """
    against = {agent: each.reference for agent, each in known.items() if each.reference is not None}
    if not against:
        return [f"No agent is held against `{REFERENCE}`: it and another agent are needed, on two seeds or more."]
    better = [agent for agent in order if agent in against and _shown(against[agent]) and against[agent].low > 0]
    worse = [agent for agent in order if agent in against and _shown(against[agent]) and against[agent].high < 0]
    best = max(against, key=lambda agent: against[agent].mean)
    first = (
        f"Greedily better than `{REFERENCE}`: {_listed(better)}."
        if better
        else f"NOT SHOWN that any agent is greedily better than `{REFERENCE}`."
    )
    above = [agent for agent in order if (start := known[agent].start) is not None and start.low > 0]
    head = ["agent", "greedy, less the supervised policy", f"greedy, less {REFERENCE}", "p",
            "samples, less the supervised policy's at equal entropy"]  # fmt: skip
    return [
        f"**{first}** The best of the others is `{best}`, {against[best]:+.1f}, p {p_value(against[best].p)} corrected "
        f"for {len(against)}. Worse than `{REFERENCE}`: {_listed(worse)}. Above the supervised policy, of which all "
        f"begin, by more than their interval: {_listed(above)}.",
        "Differences of normalised scores within each seed, the mean of its data sets; means over seeds with 95 % t "
        "intervals.",
        table(head, (
            [agent, _cell(known[agent].start), _cell(against.get(agent)),
             p_value(against[agent].p) if agent in against else "-", _cell(known[agent].entropy)]
            for agent in order
        )),
    ]  # fmt: skip


def _differences(cells: Sequence[Cell], reference: Sequence[Cell]) -> list[tuple[int, float]]:
    """Seed and difference for each run that the reference has, too."""
    theirs = {(cell.dataset, run.seed): run.score("greedy") for cell in reference for run in cell.runs}
    return [
        (run.seed, run.score("greedy") - theirs[cell.dataset, run.seed])
        for cell in cells for run in cell.runs if (cell.dataset, run.seed) in theirs
    ]  # fmt: skip


def _over_seeds(values: Sequence[tuple[int, float]]) -> Interval | None:
    by_seed: dict[int, list[float]] = {}
    for seed, value in values:
        by_seed.setdefault(seed, []).append(value)
    means = np.array([np.mean(each) for each in by_seed.values()])
    return interval(means[:, None]) if len(means) > 1 else None


def _shown(difference: Interval) -> bool:
    return difference.p < LEVEL


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _cell(value: Interval | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
