"""The benchmark, and what becomes of its results: ``rest benchmark``, ``rest benchmark check``, ``... table``."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from seq2seq_env.commands import command_frame

if TYPE_CHECKING:
    from experiments.reports.benchmark_check import Rules


class ResultsCommand(ABC):
    """Something done with results of the benchmark."""

    @abstractmethod
    def run(self) -> int:
        """Do it and print what came of it; the exit code."""


@dataclass(frozen=True)
class Check(ResultsCommand):
    """Tell whether results keep to the rules of the published table, with a sentence for each defect."""

    files: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Files of results, as rest benchmark writes them to benchmark.json."""

    def run(self) -> int:
        """Print what is wrong with each file; 1 if anything is."""
        from experiments.reports.benchmark_check import defects
        from experiments.reports.benchmark_results import Results, counts, merged, repeated

        rules, parts, count = published_rules(), dict[str, Results](), 0
        for file in self.files:
            try:
                results = Results.read(file)
            except (ValueError, OSError) as error:
                print(error)
                count += 1
                continue
            wrong = defects(results, rules)
            print("\n".join(f"{file}: {each}" for each in wrong) or f"{file}: {counts(results)}: it keeps to the rules")
            count += len(wrong)
            if not wrong:
                parts[str(file)] = results
        if len(parts) > 1:
            try:
                print("\n".join([f"together: {counts(merged(parts))}", *repeated(parts)]))
            except ValueError as error:
                print(error)
                count += 1
        return 1 if count else 0


@dataclass(frozen=True)
class MakeTable(ResultsCommand):
    """Make one table of results of several machines; of a run that two files have, the first file's counts."""

    files: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Files of results, as rest benchmark writes them to benchmark.json."""
    out: Path = Path("runs/benchmark_table")
    """Folder that the table, its figures and the joined benchmark.json are written to."""
    publish: bool = False
    """Whether they become the results that the cards of data sets show, a file of the package, where they keep to the
    rules."""

    def run(self) -> int:
        """Write it and print it; 0."""
        from experiments.datasets.results import publish_results
        from experiments.reports.benchmark_report import write_benchmark
        from experiments.reports.benchmark_results import FILE, Results, merged, repeated

        parts = {str(file): Results.read(file) for file in self.files}
        print(write_benchmark(merged(parts), self.out))
        print("".join(f"{each}\n" for each in repeated(parts)), end="")
        print(f"wrote benchmark.md, {FILE} and plots to {self.out}")
        if self.publish:
            place = publish_results(self.out / FILE, published_rules())
            print(f"published as {place}; data sets made from now on show them")
        return 0


COMMANDS: dict[str, type[Check | MakeTable]] = {"check": Check, "table": MakeTable}


def published_rules() -> Rules:
    """Rules of the table that docs/results has: the defaults of ``rest benchmark``, on published data sets."""
    from experiments.benchmark import Config
    from experiments.datasets.manifest import published
    from experiments.datasets.recipes import DATASETS
    from experiments.names import ROWS, STORED
    from experiments.reports.benchmark_check import Rules

    config = Config()
    manifests = {name.rpartition("/")[2]: published(name) for name in DATASETS}
    contents = {name: manifest.contents for name, manifest in manifests.items() if manifest is not None}
    # As a file has them, with lists in place of tuples.
    recorded = json.loads(json.dumps(config.recorded()))
    datasets = [name.rpartition("/")[2] for name in config.datasets]
    return Rules(recorded, config.seeds, contents, datasets, (*STORED, *ROWS))


def main(arguments: Sequence[str]) -> int:
    """``rest benchmark``, which has two commands of its own beside the benchmark itself."""
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        from experiments import benchmark

        benchmark.main(arguments, "rest benchmark", benchmark.MOST_USED)
        return 0
    with command_frame():
        command = parse(COMMANDS[name], rest, prog=f"rest benchmark {name}")
        with usage_errors():
            if not command.files:
                raise ValueError("files is empty; name at least one benchmark.json")
        return command.run()
    raise AssertionError("command_frame() leaves with an exit code")
