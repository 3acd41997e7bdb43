"""Cells of the benchmark's table: one agent on one data set, its runs at the learning rate that was chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.runs.run_folder import CONFIG, STAGES
from experiments.runs.stages import SUPERVISED
from experiments.runs.trials import best_validation
from seq2seq_env.atomic_files import read_json

MEASURES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "greedy": lambda result: result["steps"][-1]["greedy_oracle"],
    "greedy, last weights": lambda result: result["steps"][-1]["last"]["greedy_oracle"],
    "samples": lambda result: result["steps"][-1]["sample_oracle"],
    "samples, last weights": lambda result: result["steps"][-1]["last"]["sample_oracle"],
    "supervised at its entropy": lambda result: result["equal_entropy"]["oracle"],
}
"""Mean true quality of the test translations of a training, by how they were written."""


@dataclass(frozen=True)
class Run:
    """One training of a cell.

    Attributes:
        seed: Of the run.
        commit: Of the code that trained, as :func:`experiments.runs.commit.commit` names it.
        start: Fingerprint of the supervised policy.
        base: True quality of the supervised policy's greedy test translations, which is score 0.
        quality: True quality of the test translations by :data:`MEASURES`.
        tokens: Gradient tokens of the policy.
        best_tokens: After how many of them it had its best weights; 0 where no look was better than the start.
        value_tokens: Gradient tokens of the value network before.
        training_seconds: Of both.
        seconds: Of the whole training, with all that was measured.
        cpu_seconds: That this process was at work in them.
        network_mib: Memory of the networks.
        entropy_matched: Whether the supervised policy reached the trained one's entropy at some temperature.
        failed: Whether the training failed, and the supervised policy counts in its place.
    """

    seed: int
    commit: str
    start: str
    base: float
    quality: Mapping[str, float]
    tokens: int
    best_tokens: int
    value_tokens: int
    training_seconds: float
    seconds: float
    cpu_seconds: float
    network_mib: float
    entropy_matched: bool
    failed: bool

    @classmethod
    def of(cls, result: Mapping[str, Any], supervised: Mapping[str, float]) -> Self:
        """What a training recorded, in short.

        Args:
            result: The record.
            supervised: True quality of the supervised policy's test translations by decoding.
        """
        failed = "failed" in result
        step = {} if failed else result["steps"][-1]
        # Whose failures are left out has the mean of what went well.
        untrained = {name: supervised["greedy" if name.startswith("greedy") else "sample"] for name in MEASURES}
        quality = untrained if failed else {name: of(result) for name, of in MEASURES.items()}
        if not failed and not step["best_tokens"]:
            # The entropy of the start is the start's own, which the search for a temperature meets but for a hundredth.
            quality["supervised at its entropy"] = quality["samples"]
        return cls(
            seed=result["seed"],
            commit=result["commit"],
            start=result["start"],
            base=supervised["greedy"],
            quality=quality,
            tokens=0 if failed else step["tokens"],
            best_tokens=0 if failed else step["best_tokens"],
            value_tokens=0 if failed else result["prepare_tokens"],
            training_seconds=0.0 if failed else result["prepare_seconds"] + step["seconds"],
            seconds=result["wall_seconds"],
            cpu_seconds=result["cpu_seconds"],
            network_mib=0.0 if failed else step["network_mib"],
            entropy_matched=failed or result["equal_entropy"]["nats"] >= step["sample_nats"],
            failed=failed,
        )

    @property
    def kept_start(self) -> bool:
        """Whether no look was better than the start."""
        return not self.failed and not self.best_tokens

    def score(self, measure: str) -> float:
        """Normalised: 0 is the supervised policy's greedy true quality, 100 that of right translations, which is 1."""
        return normalised(self.quality[measure], self.base)


@dataclass(frozen=True)
class Cell:
    """One agent on one data set.

    Attributes:
        dataset: Its name.
        agent: Its name.
        runs: At the chosen learning rate, by seed, at least one.
        tried: Validation reward of the first seed at each learning rate; None where the training failed.
    """

    dataset: str
    agent: str
    runs: tuple[Run, ...]
    tried: Mapping[float, float | None]

    @property
    def learning_rate(self) -> float:
        """The chosen one."""
        return chosen_rate(self.tried)

    def scores(self, measure: str) -> NDArray[np.float64]:
        """Normalised scores, float64 [R]."""
        return np.array([run.score(measure) for run in self.runs])

    def mean(self, name: str) -> float:
        """Mean over runs of one of their costs, those that failed left out."""
        return float(np.mean([getattr(run, name) for run in self.runs if not run.failed] or [math.nan]))

    def record(self) -> dict[str, Any]:
        """As JSON, with the scores of what it has."""
        return {
            "dataset": self.dataset,
            "agent": self.agent,
            "learning_rate": self.learning_rate,
            "tried": {f"{rate:g}": reward for rate, reward in self.tried.items()},
            "runs": [asdict(run) for run in self.runs],
            "scores": {measure: self.scores(measure).tolist() for measure in MEASURES},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """What :meth:`record` gave; numbers that are none are NaN.

        Raises:
            KeyError: If something is missing.
            TypeError: If something is of another kind.
        """
        tried = {float(rate): reward for rate, reward in record["tried"].items()}
        return cls(record["dataset"], record["agent"], tuple(_run(each) for each in record["runs"]), tried)


def chosen_rate(tried: Mapping[float, float | None]) -> float:
    """The learning rate of the highest validation reward, the lowest of several."""
    return max(sorted(tried), key=lambda rate: -math.inf if (reward := tried[rate]) is None else reward)


def normalised(quality: float, base: float) -> float:
    """``100 (quality - base) / (1 - base)``.

    Raises:
        ValueError: If there is nothing above the base.
    """
    if base >= 1:
        raise ValueError("the supervised policy translates every test source right; nothing can be better than it")
    return 100 * (quality - base) / (1 - base)


def read_cells(folder: Path, first_seed: int) -> list[Cell]:
    """All cells of a benchmark's folder whose first seed was trained, by data set and agent.

    Raises:
        ValueError: If a record is corrupt.
    """
    runs: dict[tuple[str, str], dict[float, list[Run]]] = {}
    tried: dict[tuple[str, str], dict[float, float | None]] = {}
    for result, supervised in read_trainings(folder):
        key, rate = (result["dataset"], row_name(result)), result["learning_rate"]
        runs.setdefault(key, {}).setdefault(rate, []).append(Run.of(result, supervised))
        if result["seed"] == first_seed:
            tried.setdefault(key, {})[rate] = None if "failed" in result else best_validation(result)
    cells = []
    for key, by_rate in sorted(runs.items()):
        if any(reward is not None for reward in tried.get(key, {}).values()):
            rates = dict(sorted(tried[key].items()))
            chosen = sorted(by_rate[chosen_rate(rates)], key=lambda run: run.seed)
            cells.append(Cell(*key, tuple(chosen), rates))
    return cells


def unchosen(folder: Path, cells: Iterable[Cell]) -> list[str]:
    """Which seeds of a benchmark's folder are in no cell, since they were trained at other learning rates alone.

    Args:
        folder: Of the benchmark.
        cells: That :func:`read_cells` read there.

    Raises:
        ValueError: If a record is corrupt.
    """
    known = {(cell.dataset, cell.agent): cell for cell in cells}
    rates: dict[tuple[str, str, int], list[float]] = {}
    for result, _ in read_trainings(folder):
        key, seed = (result["dataset"], row_name(result)), result["seed"]
        if key in known and seed not in {run.seed for run in known[key].runs}:
            rates.setdefault((*key, seed), []).append(result["learning_rate"])
    return [
        f"{agent} on {dataset}, seed {seed}, is left out: it was trained at learning rate "
        f"{', '.join(f'{rate:g}' for rate in tried)} and {known[dataset, agent].learning_rate:g} is chosen; train it"
        for (dataset, agent, seed), tried in rates.items()
    ]


def row_name(result: Mapping[str, Any]) -> str:
    """The row of a training by its record: the recipe, or the algorithm as it is."""
    return str(result.get("recipe", result["agent"]))


def read_trainings(folder: Path) -> Iterator[tuple[Mapping[str, Any], Mapping[str, float]]]:
    """Record of each training of a benchmark's folder, and true quality of the policy that it started from by decoding.

    Raises:
        ValueError: If a record is corrupt.
    """
    for config in sorted(folder.glob(f"*/*/{CONFIG}")):
        stages = config.parent / STAGES
        if not (stages / f"{SUPERVISED}.json").is_file():
            continue
        rows = read_json(stages / f"{SUPERVISED}.json")
        supervised = {row["decode"]: row["oracle"] for row in rows if row["split"] == "test"}
        for file in sorted(stages.glob("*.own.*.json")):
            yield read_json(file), supervised


def _run(record: Mapping[str, Any]) -> Run:
    values = {each.name: record[each.name] for each in fields(Run)}
    for name in ("base", "training_seconds", "seconds", "cpu_seconds", "network_mib"):
        values[name] = _number(values[name])
    return Run(**values | {"quality": {name: _number(record["quality"][name]) for name in MEASURES}})


def _number(value: float | None) -> float:
    """NaN for what JSON has in its place."""
    return math.nan if value is None else float(value)
