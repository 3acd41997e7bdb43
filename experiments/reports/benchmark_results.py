"""Results of the benchmark as one file, ``benchmark.json``: written, read, and joined with those of other machines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Self

from experiments.reports.benchmark_cells import Cell, Run, chosen_rate, read_cells, read_trainings, row_name
from experiments.reports.policy_estimates import PolicyEstimates
from experiments.runs.run_folder import CONFIG, RunFolder, flat
from seq2seq_env.atomic_files import read_json

FILE = "benchmark.json"

FINGERPRINTS = ("task_fingerprint", "scorer_fingerprint")
"""What is known of a regime's task and scorer, by which all of its trainings are of the same."""

ELSEWHERE = "; on another machine: "
"""Between what two machines say of one data set's status."""

ROUNDING = 0.005
"""Difference of a supervised policy's true quality that rounding on another processor may make."""


@dataclass(frozen=True)
class Results:
    """What a table is made of.

    Attributes:
        config: What all trainings have alike, as JSON holds it.
        regimes: :data:`FINGERPRINTS` of each regime.
        datasets: Of each data set by name, the digest of its texts, ``contents``, how it stands to the published one,
            ``status``, and its ``regime``.
        cells: By data set and agent.
        policies: Off-policy estimates of every trained policy, also at learning rates that were not chosen.
        left_out: Trainings that failed, by the name that :func:`training` gives them, and why.
    """

    config: Mapping[str, Any]
    regimes: Mapping[str, Mapping[str, str]]
    datasets: Mapping[str, Mapping[str, str]]
    cells: tuple[Cell, ...]
    policies: tuple[PolicyEstimates, ...] = ()
    left_out: Mapping[str, str] | None = None

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """What is finished in a benchmark's folder.

        Raises:
            ValueError: If no training of the first seed is, or a record is corrupt.
        """
        seed = folder.config["seed"]
        cells = read_cells(folder.path, seed)
        if not cells:
            raise ValueError(f"no training of seed {seed} is finished in {str(folder.path)!r}; see the warnings")
        records = [result for result, _ in read_trainings(folder.path)]
        policies = [PolicyEstimates.of(each) for each in records if "off_policy" in each]
        failed = {
            training(row_name(each), each["dataset"], each["seed"], each["learning_rate"]): each["failed"]
            for each in records if "failed" in each
        }  # fmt: skip
        of_regimes = (read_json(file) for file in sorted(folder.path.glob(f"*/{CONFIG}")))
        regimes = {each["regime"]: {name: each[name] for name in FINGERPRINTS} for each in of_regimes}
        return cls(folder.config, regimes, folder.result("datasets"), tuple(cells), tuple(policies), failed)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "config": self.config,
            "regimes": self.regimes,
            "datasets": self.datasets,
            "cells": [cell.record() for cell in self.cells],
            "policies": [each._asdict() for each in self.policies],
            "left_out": self.left_out or {},
        }

    @classmethod
    def read(cls, file: Path) -> Self:
        """What a file holds that the benchmark wrote, or somebody in its form.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it holds something else.
        """
        record = read_json(file)
        try:
            return cls(
                {**record["config"]},
                {regime: {name: facts[name] for name in FINGERPRINTS} for regime, facts in record["regimes"].items()},
                {name: {fact: facts[fact] for fact in ("contents", "status", "regime")}
                 for name, facts in record["datasets"].items()},
                tuple(Cell.from_record(each) for each in record["cells"]),
                tuple(PolicyEstimates.from_record(each) for each in record["policies"]),
                {**record["left_out"]},
            )  # fmt: skip
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{str(file)!r} holds no results of the benchmark ({type(error).__name__}: {error}); give a {FILE} "
                "that rest benchmark wrote"
            ) from error


def training(agent: str, dataset: str, seed: int, rate: float | None = None) -> str:
    """What one training is called where it is told to have failed; without a rate, what all of its seed begin with."""
    return f"{agent} on {dataset}, seed {seed}{'' if rate is None else f', learning rate {rate:g}'}"


def stem(dataset: str) -> str:
    """A data set's name without its version."""
    return re.sub(r"-v\d+$", "", dataset)


def merged(parts: Mapping[str, Results]) -> Results:
    """The results of several machines as one.

    A run of an agent on a data set from a seed is taken from the first part that has it: other processors train
    otherwise from the same start, and which run is taken must not depend on what came of it. :func:`repeated` tells.

    Args:
        parts: By the name that errors call them; at least one.

    Raises:
        ValueError: If two have another configuration, task or scorer, other texts under a data set's name, another
            version of it, another supervised policy in the same seed of a data set, or chose other learning rates.
    """
    (first, results), *others = parts.items()
    texts = {dataset: facts["contents"] for dataset, facts in results.datasets.items()}
    for name, other in others:
        differing = differences(results.config, other.config)
        if differing:
            raise ValueError(f"{name!r} does not go with {first!r}: {differing[0]}; merge results of one benchmark")
        for dataset, facts in other.datasets.items():
            if facts["contents"] != texts.setdefault(dataset, facts["contents"]):
                raise ValueError(f"{name!r} has other texts of data set {dataset!r} than a part before; make it again")
    _refuse_versions({cell.dataset for part in parts.values() for cell in part.cells} | texts.keys())
    if unlike := unlike_starts(parts):
        raise ValueError(unlike[0])
    holders = _holders(parts)
    own = {
        name: _without(part, {key for key, (holder, _) in holders.items() if holder != name})
        for name, part in parts.items()
    }
    known: dict[tuple[str, str], Cell] = {}
    for name, part in own.items():
        for cell in part.cells:
            key = cell.dataset, cell.agent
            known[key] = _joined(known[key], cell, name) if key in known else cell
    policies = dict.fromkeys(policy for part in own.values() for policy in part.policies)
    return Results(
        results.config,
        _all(part.regimes for part in parts.values()),
        _datasets(parts.values()),
        tuple(known[key] for key in sorted(known)),
        tuple(policies),
        _all(part.left_out or {} for part in own.values()),
    )


def repeated(parts: Mapping[str, Results]) -> list[str]:
    """What :func:`merged` leaves out of each part because one before has it, and how much that would have differed."""
    holders, sentences = _holders(parts), []
    for name, part in parts.items():
        differing = {
            (cell.agent, cell.dataset, run.seed): abs(run.quality["greedy"] - first.quality["greedy"])
            for cell in part.cells for run in cell.runs
            for holder, first in [holders[cell.agent, cell.dataset, run.seed]] if holder != name
        }  # fmt: skip
        if not differing:
            continue
        numbers = Counter(agent for agent, _, _ in differing)
        agent, dataset, seed = most = max(differing, key=lambda key: differing[key])
        listed = ", ".join(f"{each} ({count} run{'s' if count > 1 else ''})" for each, count in numbers.items())
        sentences.append(
            f"{name}: left out, as a file before has the same: {listed}; their greedy true quality differs by "
            f"{differing[most]:.4f} at most, of {agent} on {dataset}, seed {seed}"
        )
    return sentences


def unlike_starts(parts: Mapping[str, Results]) -> list[str]:
    """Where trainings of a regime have another task or scorer, or of a seed of a data set another supervised policy.

    Two data sets may have other policies in a seed, as another processor trains them: agents are compared within a data
    set, and a seed is no less independent of the others.

    Args:
        parts: By the name that sentences call them; one alone is compared with itself.
    """
    sentences = []
    regimes: dict[str, Mapping[str, str]] = {}
    starts: dict[tuple[str, int], Run] = {}
    for name, part in parts.items():
        for regime, fingerprints in part.regimes.items():
            if differing := differences(regimes.setdefault(regime, fingerprints), fingerprints):
                sentences.append(f"{name!r} is of another task or scorer in {regime!r} ({differing[0]}); train again")
        for cell in part.cells:
            for run in cell.runs:
                first = starts.setdefault((cell.dataset, run.seed), run)
                if first.start != run.start or abs(first.base - run.base) > ROUNDING:
                    sentences.append(
                        f"{name!r} has another supervised policy of seed {run.seed} on {cell.dataset} than trainings "
                        f"before (true quality {run.base:.4f}, not {first.base:.4f}); train all of a seed from one"
                    )
    return sentences


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Settings in which two configurations differ, each with both values."""
    mine, theirs = flat(one), flat(other)
    return [
        f"{name} is {theirs.get(name)!r}, not {mine.get(name)!r}"
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]


def _refuse_versions(datasets: Collection[str]) -> None:
    """Refuse one data set in two versions.

    Raises:
        ValueError: If there is one.
    """
    first: dict[str, str] = {}
    for name in sorted(datasets):
        if (other := first.setdefault(stem(name), name)) != name:
            raise ValueError(
                f"{other!r} and {name!r} are versions of one data set, which would count twice; give results of one"
            )


_RunKey = tuple[str, str, int]
"""Agent, data set and seed."""


def _holders(parts: Mapping[str, Results]) -> dict[_RunKey, tuple[str, Run]]:
    """The first part that has a run, and what came of it there."""
    holders: dict[_RunKey, tuple[str, Run]] = {}
    for name, part in parts.items():
        for cell in part.cells:
            for run in cell.runs:
                holders.setdefault((cell.agent, cell.dataset, run.seed), (name, run))
    return holders


def _without(part: Results, runs: Collection[_RunKey]) -> Results:
    """A part without some runs, and without what is known of their trainings at other learning rates."""
    cells = (
        replace(cell, runs=tuple(run for run in cell.runs if (cell.agent, cell.dataset, run.seed) not in runs))
        for cell in part.cells
    )
    failures = {training(*run) for run in runs}
    return replace(
        part,
        cells=tuple(cell for cell in cells if cell.runs),
        policies=tuple(each for each in part.policies if (each.agent, each.dataset, each.seed) not in runs),
        left_out={each: why for each, why in (part.left_out or {}).items() if each.rpartition(",")[0] not in failures},
    )


def _datasets(parts: Collection[Results]) -> dict[str, Mapping[str, str]]:
    """Facts of all data sets; what machines say otherwise of one is told of each, in an order that is no file's."""
    statuses: dict[str, set[str]] = {}
    for part in parts:
        for name, facts in part.datasets.items():
            statuses.setdefault(name, set()).update(facts["status"].split(ELSEWHERE))
    known = _all(part.datasets for part in parts)
    return {name: {**facts, "status": ELSEWHERE.join(sorted(statuses[name]))} for name, facts in known.items()}


def _joined(one: Cell, other: Cell, name: str) -> Cell:
    """The runs of both.

    Raises:
        ValueError: If they chose other learning rates.
    """
    cell = f"{one.agent} on {one.dataset}"
    if chosen_rate(one.tried) != chosen_rate(other.tried):
        raise ValueError(
            f"{name!r} chose learning rate {other.learning_rate:g} for {cell}, and another part {one.learning_rate:g}; "
            "give the first seed's trainings to one machine"
        )
    return replace(one, runs=tuple(sorted((*one.runs, *other.runs), key=lambda run: run.seed)))


def _all(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return reduce(lambda one, other: one | {**other}, parts, dict[str, Any]())


def counts(results: Results) -> str:
    """What there is, for a line: "3 agents, 2 data sets, 30 runs"."""
    numbers = {
        "agent": len({cell.agent for cell in results.cells}),
        "data set": len({cell.dataset for cell in results.cells}),
        "run": sum(len(cell.runs) for cell in results.cells),
    }
    return ", ".join(f"{number} {name}{'s' if number != 1 else ''}" for name, number in numbers.items())
