"""Entry of a comparison: one agent on one kind of data, all of its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.reports.evidence import TITLES
from experiments.reports.statistics import Interval, interval, means_by_source, stack
from experiments.runs.run_folder import RunFolder, read_lines
from experiments.runs.stages import SUPERVISED, equal_entropy_stage, translations_file
from experiments.runs.trials import step_stage

COLUMNS = {
    f"{decode}_{measure}": f"{decode} {title}" for decode in ("greedy", "sample") for measure, title in TITLES.items()
}
"""What is known of each test translation, with its title; a task may have no oracle, and a run no judge."""


@dataclass(frozen=True)
class Entry:
    """Policies of several seeds that came about alike, with their test translations.

    Attributes:
        name: As tables and plots show it.
        records: What each seed's policy was measured at, and what it took, by seed.
        translations: Test translations, as they are kept, by seed.
    """

    name: str
    records: dict[int, dict[str, Any]]
    translations: dict[int, list[dict[str, Any]]]

    def has(self, column: str) -> bool:
        """Whether one of :data:`COLUMNS` was measured."""
        return all(column in lines[0] for lines in self.translations.values())

    def values(self, column: str, seeds: Sequence[int] | None = None) -> NDArray[np.float64]:
        """One of :data:`COLUMNS` by seed and source, float64 [R,N]; of all seeds by default.

        Of a source that the split holds several times it is the mean.
        """
        values = stack([[line[column] for line in self.translations[seed]] for seed in seeds or self.translations])
        return means_by_source(values.T, self.sources).T

    @property
    def sources(self) -> list[str]:
        """Of the test translations, one as often as the split holds it."""
        return [line["source"] for line in next(iter(self.translations.values()))]

    def less(self, other: Entry, column: str) -> Interval | None:
        """Difference from another entry, source by source, over the seeds of both; None where there are none."""
        seeds = self.common(other)
        return interval(self.values(column, seeds) - other.values(column, seeds)) if seeds else None

    def common(self, other: Entry) -> list[int]:
        """Seeds that both have."""
        return sorted(self.translations.keys() & other.translations.keys())

    def saw_the_slice(self, *, distinct: bool) -> bool:
        """Whether the agent trained on exactly what filtered behaviour cloning sees.

        Args:
            distinct: Whether that is without copies, which an agent that needs them has all the same.
        """
        from agents import agent_class

        first = next(iter(self.records.values()))
        kind = agent_class(first["agent"])
        own = kind.filters and "filter" not in first and not (kind.needs_copies and distinct)
        return first["data"] == "filtered" or own

    def mean(self, key: str) -> float:
        """Mean over seeds of a number."""
        return float(np.mean([record[key] for record in self.records.values()]))

    def spread(self, key: str) -> float:
        """Standard deviation over seeds, 0 for one."""
        numbers = [record[key] for record in self.records.values()]
        return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else 0.0


def supervised_entry(runs: Mapping[int, RunFolder]) -> Entry:
    """The supervised policies, which all agents start from.

    Args:
        runs: Folders of the seeds.
    """
    records = {
        seed: {
            f"{row['decode']}_{name}": value
            for row in run.result(SUPERVISED)
            if row["split"] == "test"
            for name, value in row.items()
        }
        for seed, run in runs.items()
    }
    return Entry("supervised BC", records, _translations(runs, SUPERVISED))


def agent_entry(runs: Mapping[int, RunFolder], stage: str, step: int | None = None) -> Entry | None:
    """An agent after an Improve step, in the seeds that trained it; None where none did.

    Args:
        runs: Folders of the seeds.
        stage: Of the training.
        step: Number of the Improve step, from 1; None is the last.
    """
    trained = {seed: run for seed, run in runs.items() if run.has(stage)}
    if not trained:
        return None
    results = {seed: run.result(stage) for seed, run in trained.items()}
    first = next(iter(results.values()))
    data = first.get("filter", first["data"])
    name = first["agent"] if data == "own" else f"{first['agent']} ({data}{'' if 'filter' in first else ' data'})"
    last = len(first["steps"])
    step = step or last
    records = {seed: result | result["steps"][step - 1] for seed, result in results.items()}
    return Entry(name, records, _translations(trained, stage if step == last else step_stage(stage, step)))


def equal_entropy_entry(runs: Mapping[int, RunFolder], stage: str, entry: Entry) -> Entry:
    """The supervised policies at the temperatures that give them an agent's entropy.

    Args:
        runs: Folders of the seeds.
        stage: Of the agent's training.
        entry: The agent.
    """
    records = {seed: record["equal_entropy"] for seed, record in entry.records.items()}
    trained = {seed: runs[seed] for seed in records}
    return Entry(entry.name, records, _translations(trained, equal_entropy_stage(stage)))


def _translations(runs: Mapping[int, RunFolder], stage: str) -> dict[int, list[dict[str, Any]]]:
    return {seed: read_lines(run.path / translations_file(stage)) for seed, run in runs.items()}
