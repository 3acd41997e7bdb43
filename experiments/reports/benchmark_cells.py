"""Cells of the benchmark's table: one agent on one data set, its runs at the learning rate that was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.runs.run_folder import CONFIG, STAGES
from experiments.runs.stages import SUPERVISED
from experiments.runs.trials import best_validation
from seq2seq_env.atomic_files import read_json

MEASURES = {
    "greedy": lambda run: run.last_step["greedy_oracle"],
    "greedy, last weights": lambda run: run.last_step["last"]["greedy_oracle"],
    "samples": lambda run: run.last_step["sample_oracle"],
    "samples, last weights": lambda run: run.last_step["last"]["sample_oracle"],
    "supervised at its entropy": lambda run: run.result["equal_entropy"]["oracle"],
}
"""Mean true quality of the test translations of a run, by how they were written."""


@dataclass(frozen=True)
class Run:
    """One training of a cell.

    Attributes:
        seed: Of the run.
        result: What the training recorded.
        base: True quality of the supervised policy's greedy test translations, which is score 0.
    """

    seed: int
    result: Mapping[str, Any]
    base: float

    @property
    def last_step(self) -> Mapping[str, Any]:
        """Measures and costs of its only Improve step."""
        step: Mapping[str, Any] = self.result["steps"][-1]
        return step

    def score(self, measure: str) -> float:
        """Normalised: 0 is the supervised policy's greedy true quality, 100 that of right translations, which is 1."""
        return normalised(MEASURES[measure](self), self.base)


@dataclass(frozen=True)
class Cell:
    """One agent on one data set.

    Attributes:
        dataset: Its name.
        agent: Its name.
        runs: At the chosen learning rate, by seed, at least one.
        tried: Validation reward of the first seed at each learning rate.
    """

    dataset: str
    agent: str
    runs: tuple[Run, ...]
    tried: Mapping[float, float]

    @property
    def learning_rate(self) -> float:
        """The chosen one."""
        return max(self.tried, key=lambda rate: self.tried[rate])

    def scores(self, measure: str) -> NDArray[np.float64]:
        """Normalised scores, float64 [R]."""
        return np.array([run.score(measure) for run in self.runs])

    def mean(self, key: str) -> float:
        """Mean over runs of a number of the Improve step."""
        return float(np.mean([run.last_step[key] for run in self.runs]))


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
    by_rate: dict[tuple[str, str], dict[float, list[Run]]] = {}
    for run in _runs(folder):
        key = run.result["dataset"], run.result["agent"]
        by_rate.setdefault(key, {}).setdefault(run.result["learning_rate"], []).append(run)
    cells = []
    for (dataset, agent), runs in sorted(by_rate.items()):
        firsts = {rate: run for rate, each in runs.items() for run in each if run.seed == first_seed}
        if not firsts:
            continue
        tried = {rate: best_validation(firsts[rate].result) for rate in sorted(firsts)}
        chosen = max(tried, key=lambda rate: tried[rate])
        cells.append(Cell(dataset, agent, tuple(sorted(runs[chosen], key=lambda run: run.seed)), tried))
    return cells


def _runs(folder: Path) -> Iterator[Run]:
    for config in sorted(folder.glob(f"*/*/{CONFIG}")):
        stages = config.parent / STAGES
        if not (stages / f"{SUPERVISED}.json").is_file():
            continue
        (base,) = (
            row["oracle"]
            for row in read_json(stages / f"{SUPERVISED}.json")
            if (row["split"], row["decode"]) == ("test", "greedy")
        )
        for file in sorted(stages.glob("*.own.*.json")):
            result = read_json(file)
            yield Run(result["seed"], result, base)
