"""Check of results that somebody wants in the table: one sentence for each defect."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.reports.benchmark_cells import Cell, Run
from experiments.reports.benchmark_results import Results, differences, stem, training, unlike_starts

COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Rules:
    """What all results of one table have alike.

    Attributes:
        config: Settings of all trainings, as :attr:`Results.config` has them.
        seeds: Whole runs of each agent on each data set, from the configuration's first seed on.
        contents: Digest of the texts of each published data set, by the name that results have.
        datasets: Those that every agent is trained on.
        agents: Names of algorithms.
    """

    config: Mapping[str, Any]
    seeds: int
    contents: Mapping[str, str]
    datasets: Sequence[str]
    agents: Sequence[str]


def defects(results: Results, rules: Rules) -> list[str]:
    """What is wrong, a sentence each; nothing where all is right."""
    of_settings = [f"setting {each}, as the table has it; train again with the table's" for each in
                   differences(rules.config, results.config)]  # fmt: skip
    missing = [] if results.cells else ["it has no training; give a file with some"]
    of_cells = [defect for cell in results.cells for defect in _of_cell(cell, results, rules)]
    of_starts = unlike_starts({"it": results})
    return [*of_settings, *missing, *_of_datasets(results, rules), *of_cells, *_of_agents(results, rules), *of_starts]


def _of_datasets(results: Results, rules: Rules) -> Iterator[str]:
    for name in dict.fromkeys([*results.datasets, *(cell.dataset for cell in results.cells)]):
        versions = [known for known in rules.contents if stem(known) == stem(name)]
        if name in rules.contents:
            if name not in results.datasets:
                yield f"data set {name!r} has no checksum; take it from the data set's manifest"
            elif results.datasets[name]["contents"] != rules.contents[name]:
                yield (
                    f"data set {name!r} has texts of checksum {results.datasets[name]['contents'][:12]}, the published "
                    f"one {rules.contents[name][:12]}: it was changed; make or download it again, and train again"
                )
        elif versions:
            yield f"data set {name!r} is of a version that is not published; train on {', '.join(versions)}"
        elif "-local-v" in name:
            yield (
                f"data set {name!r} is a local one, with other texts or numbers than the published; train on a "
                "published one"
            )
        else:
            yield f"there is no data set {name!r}; the published ones are {', '.join(rules.contents)}"


def _of_agents(results: Results, rules: Rules) -> Iterator[str]:
    there = {(cell.agent, cell.dataset) for cell in results.cells}
    first, grid = rules.config["seed"], rules.config["learning_rates"]
    for agent in dict.fromkeys(cell.agent for cell in results.cells):
        for name in rules.datasets:
            # What an agent cannot be trained on is told by its failures: at another rate it may have been trained.
            failed = (results.left_out or {}).keys() >= {training(agent, name, first, rate) for rate in grid}
            if (agent, name) not in there and not failed:
                yield f"{agent} lacks data set {name!r}, which is in the table; train on it, too"


def _of_cell(cell: Cell, results: Results, rules: Rules) -> Iterator[str]:
    place = f"{cell.agent} on {cell.dataset}"
    if cell.agent not in rules.agents:
        yield f"there is no agent {cell.agent!r}; add its file and its line in the same change"
    first = int(rules.config["seed"])
    wanted, seeds = range(first, first + rules.seeds), [run.seed for run in cell.runs]
    if lacking := sorted({*wanted} - {*seeds}):
        yield f"{place} lacks seed {_listed(lacking)} of {rules.seeds}; train it, too"
    if foreign := sorted({*seeds} - {*wanted}):
        yield f"{place} has seed {_listed(foreign)}, and the table has {wanted[0]} to {wanted[-1]}; leave it out"
    if len({*seeds}) < len(seeds):
        yield f"{place} has a seed twice; keep one run of each"
    grid = {float(rate) for rate in rules.config["learning_rates"]}
    if {*cell.tried} != grid:
        yield (
            f"{place} was tuned on the learning rates {_listed(sorted(cell.tried))}, and the table's grid is "
            f"{_listed(sorted(grid))}; train the whole grid"
        )
    budget, batch = (int(results.config["improve"][name]) for name in ("max_tokens", "tokens_per_batch"))
    for run in cell.runs:
        key = f"{place}, seed {run.seed},"
        if run.failed and not any(each.startswith(key) for each in results.left_out or {}):
            yield f"{key} failed, and left_out has no reason; give the file as rest benchmark wrote it"
        yield from _of_run(f"{place}, seed {run.seed}:", run, budget, batch)


def _of_run(place: str, run: Run, budget: int, batch: int) -> Iterator[str]:
    if not COMMIT.fullmatch(run.commit):
        yield f"{place} its commit is {run.commit!r}, by which nobody can repeat it; commit the code, and train again"
    # The last batch may go beyond the budget.
    if not run.failed and not budget <= run.tokens <= budget + batch:
        yield f"{place} it was trained on {run.tokens:,} tokens, and the budget is {budget:,}; train it on as many"
    numbers = {"base": run.base, **run.quality}
    for name, value in numbers.items():
        if math.isnan(value):
            yield f"{place} {name!r} is NaN; measure it again"
        elif not 0 <= value <= 1:
            yield f"{place} {name!r} is {value:g}, and true quality is in [0, 1]; measure it again"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
