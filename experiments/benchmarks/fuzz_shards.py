"""Whether a hostile file can do more to a reader than be refused.

Each case is a real shard, changed (:mod:`experiments.benchmarks.hostile_shards`), and read in every way that a user
would. It may be refused by a ``ShardError`` that names the file, or be read; then it passed every validation. It fails
where another exception escapes, the process dies, hangs, or takes more memory than it may. Cases run in forked
processes, many in each; a process that dies or hangs is laid to the case that it was at.

A case is made from the seed and its number alone: ``--seed 0 --first 4711 --cases 1`` runs one again.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import tyro
from tqdm import tqdm

from experiments.benchmarks.hostile_shards import exercise, make_case
from experiments.benchmarks.shard_originals import Original, originals

CASES_PER_PROCESS = 500
FORK = multiprocessing.get_context("fork")
FINE = ("accepted", "refused when opened", "refused when read")
ADDRESS_SPACE = 8 << 30
"""Bytes that a process may reserve beyond what it has; reserved but untouched, they cost nothing."""


@dataclass(frozen=True)
class Config:
    """Options of the campaign."""

    cases: int = 100_000
    """How many."""
    seed: int = 0
    """Of the cases."""
    first: int = 0
    """Number of the first case."""
    timeout: float = 20.0
    """Seconds after which a case counts as hanging."""
    memory_mib: int = 256
    """MiB that a case may add to what a process ever held."""
    failures: Path | None = None
    """Folder for the files of failing cases; None keeps none."""
    json: Path | None = None
    """File for the results; None prints them only."""


@dataclass(frozen=True)
class Result:
    """How a case ended.

    Attributes:
        number: Of the case.
        outcome: One of ``FINE``, or what went wrong.
        seconds: Wall clock of reading.
    """

    number: int
    outcome: str
    seconds: float


def campaign(config: Config, made: Mapping[str, Original]) -> Iterator[Result]:
    """The results of all cases, in order."""
    number, end = config.first, config.first + config.cases
    while number < end:
        here, there = FORK.Pipe(duplex=False)
        numbers = range(number, end)[:CASES_PER_PROCESS]
        worker = FORK.Process(target=_work, args=(config, made, numbers, there))
        worker.start()
        there.close()
        for result in _results(config, here, worker):
            yield result
            number = result.number + 1


def _results(config: Config, here: Connection, worker: multiprocessing.process.BaseProcess) -> Iterator[Result]:
    """Those of one process; if it dies or hangs, the last is the case that did it."""
    current = -1
    while here.poll(config.timeout):
        try:
            message = here.recv()
        except EOFError:
            worker.join()
            if worker.exitcode:
                yield Result(current, f"died, exit code {worker.exitcode}", 0.0)
            return
        if isinstance(message, Result):
            yield message
        else:
            current = message
    worker.kill()
    worker.join()
    yield Result(current, f"hung for {config.timeout:g} s", config.timeout)


def _work(config: Config, made: Mapping[str, Original], numbers: range, there: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + ADDRESS_SPACE, reserved + ADDRESS_SPACE))
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            case = make_case(made, config.seed, number)
            there.send(number)
            before, started = _peak_mib(), time.perf_counter()
            try:
                outcome = exercise(case, Path(folder), made)
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}".replace(folder, "")
            grown = _peak_mib() - before
            if grown > config.memory_mib:
                outcome = f"took {grown:.0f} MiB, then {outcome}"
            there.send(Result(number, outcome, time.perf_counter() - started))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def main() -> None:
    """Run the cases, print how they ended; exit with 1 if one failed."""
    config = tyro.cli(Config, description=__doc__)
    made = originals()
    outcomes: Counter[str] = Counter()
    failed: list[Result] = []
    slowest = Result(-1, "", 0.0)
    started = time.perf_counter()
    with tqdm(campaign(config, made), total=config.cases, unit="case", desc="fuzz") as results:
        for result in results:
            outcomes[result.outcome if result.outcome in FINE else "failed"] += 1
            slowest = max(slowest, result, key=lambda each: each.seconds)
            if result.outcome not in FINE:
                failed.append(result)
                results.set_postfix(failed=len(failed))
                _keep(config, made, result)
    seconds = time.perf_counter() - started
    for outcome, count in outcomes.most_common():
        print(f"{count:>9,} {outcome}")
    for result in failed[:20]:
        print(f"case {result.number}: {result.outcome}")
    print(
        f"{sum(outcomes.values()):,} cases in {seconds:.0f} s; the slowest, {slowest.number}, {slowest.seconds:.1f} s"
    )
    if config.json:
        results_of = {"outcomes": outcomes, "seconds": seconds, "slowest": asdict(slowest)}
        config.json.write_text(json.dumps(results_of | {"failed": [asdict(each) for each in failed]}, indent=2))
    sys.exit(1 if failed else 0)


def _keep(config: Config, made: Mapping[str, Original], result: Result) -> None:
    """Store a failing file, with what was done to it in its name."""
    if config.failures:
        case = make_case(made, config.seed, result.number)
        config.failures.mkdir(parents=True, exist_ok=True)
        made_of = "-".join([case.original.replace(" ", "_"), *case.mutations, case.mended])
        (config.failures / f"{config.seed}-{result.number}-{made_of}.h5").write_bytes(case.content)


if __name__ == "__main__":
    main()
