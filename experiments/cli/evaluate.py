"""Evaluate one system's translations, or two side by side: BLEU, chrF, scorers and true quality, with 95 % intervals.

Systems are files of translations, a text a line, or JSON Lines such as those of a run's hypotheses/, which hold sources
and references, too. Two systems are compared sentence by sentence; p-values are corrected for their number (Holm 1979).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from experiments.cli.text_lines import check_aligned, read_system, read_text
from experiments.command_line.parsing import parse
from experiments.names import AnyTaskName
from seq2seq_env.commands import UsageError, command_frame
from seq2seq_env.tasks import TaskOptions, load_task


@dataclass(frozen=True)
class Evaluate:
    """Options of the evaluation."""

    systems: tyro.conf.Positional[tuple[Path, ...]]
    """One file of translations, or two to compare."""
    column: str | None = None
    """Column of JSON Lines with the translations; None takes "hypothesis", "greedy" or "sample", the first there is."""
    sources: Path | None = None
    """File of the sources, a text a line, for scorers and oracle; None takes those of JSON Lines, or of the task."""
    references: Path | None = None
    """File of the references, a text a line, for BLEU and chrF; None takes those of JSON Lines, or of the task."""
    scorers: tuple[str, ...] = ()
    """Names, folders or specifications of scorers."""
    task: AnyTaskName = None
    """Task whose oracle judges, where it has one, and whose sources and references are taken where no file has any."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn."""
    split: str = "test"
    """Split of the task that was translated."""
    json: bool = False
    """Print JSON in place of a table."""
    device: str = "cpu"
    """Device of the scorers, "cpu" or "cuda"."""

    def run(self) -> None:
        """Print what there is to say of the systems."""
        if len(self.systems) not in (1, 2):
            raise UsageError(f"there are {len(self.systems)} systems; name one file of translations, or two to compare")
        systems = [read_system(path, self.column) for path in self.systems]
        task = load_task(self.task, **self.task_options) if self.task is not None else None
        sources = read_text(self.sources) if self.sources else _first(each.sources for each in systems)
        references = read_text(self.references) if self.references else _first(each.references for each in systems)
        if task is not None and sources is None:
            sources = task.split(self.split).sources
        if task is not None and references is None:
            references = task.split(self.split).references or None
        texts = {"sources": sources, "references": references} | {each.name: each.hypotheses for each in systems}
        check_aligned({name: each for name, each in texts.items() if each is not None})
        first, last = systems[0], systems[-1]
        if first.sources is not None and last.sources is not None and first.sources != last.sources:
            raise ValueError(f"{first.name} and {last.name} are of different sources; compare on one split")
        from experiments.reports.system_measures import measure_systems, measures_table

        oracle = None if task is None else task.oracle
        measured = measure_systems(
            [each.hypotheses for each in systems], sources, references, self.scorers, oracle, self.device, task
        )
        if self.json:
            record = {
                "systems": [each.name for each in systems],
                "sentences": len(first.hypotheses),
                "measures": [each.record() for each in measured],
            }
            print(json.dumps(record, indent=2, ensure_ascii=False))
        else:
            names = "; ".join(f"{letter}: {each.name}" for letter, each in zip("AB", systems, strict=False))
            print(f"{names}; {len(first.hypotheses):,} sentences, 95 % intervals over them\n")
            print(measures_table(measured))


def _first(texts: Iterable[list[str] | None]) -> list[str] | None:
    """Those of the first system that has any."""
    return next((each for each in texts if each is not None), None)


def main(arguments: Sequence[str]) -> None:
    """``rest evaluate``."""
    with command_frame():
        parse(Evaluate, arguments, prog="rest evaluate", description=__doc__).run()
