"""Results of the benchmark as one file, ``benchmark.json``: written, read, and joined with those of other machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        left_out: Trainings that failed, and why.
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
            f"{row_name(each)} on {each['dataset']}, seed {each['seed']}, learning rate {each['learning_rate']:g}":
            each["failed"] for each in records if "failed" in each
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


def merged(parts: Mapping[str, Results]) -> Results:
    """The results of several machines as one.

    Args:
        parts: By the name that errors call them; at least one.

    Raises:
        ValueError: If two have another configuration, task or scorer, other texts under a data set's name, another
            supervised policy in the same seed of a data set, or other numbers of the same training.
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
    if unlike := unlike_starts(parts):
        raise ValueError(unlike[0])
    known: dict[tuple[str, str], Cell] = {}
    for name, part in parts.items():
        for cell in part.cells:
            key = cell.dataset, cell.agent
            known[key] = _joined(known[key], cell, name) if key in known else cell
    policies = dict.fromkeys(policy for part in parts.values() for policy in part.policies)
    return Results(
        results.config,
        _all(part.regimes for part in parts.values()),
        _all(part.datasets for part in parts.values()),
        tuple(known[key] for key in sorted(known)),
        tuple(policies),
        _all(part.left_out or {} for part in parts.values()),
    )


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


def _joined(one: Cell, other: Cell, name: str) -> Cell:
    """The runs of both.

    Raises:
        ValueError: If both have the same training with other numbers, or chose other learning rates.
    """
    cell = f"{one.agent} on {one.dataset}"
    if chosen_rate(one.tried) != chosen_rate(other.tried):
        raise ValueError(
            f"{name!r} chose learning rate {other.learning_rate:g} for {cell}, and another part {one.learning_rate:g}; "
            "give the first seed's trainings to one machine"
        )
    runs = {run.seed: run for run in one.runs}
    for run in other.runs:
        if runs.setdefault(run.seed, run).quality != run.quality:
            raise ValueError(f"{name!r} has other results of {cell}, seed {run.seed}, than another part; keep one")
    return replace(one, runs=tuple(runs[seed] for seed in sorted(runs)))


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
