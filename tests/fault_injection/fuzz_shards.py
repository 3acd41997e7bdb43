"""Whether a hostile file can do more to a reader than be refused.

Each case is a real shard, changed (:mod:`tests.fault_injection.hostile_shards`). It may be refused by a ``ShardError``
that names the file, or be accepted, and then read in every way that a user would. One process reads a case after the
other, so that what one leaves behind meets the next. A case that ends, hangs or fills that process, or fails in it, is
read again by a new one, and if that is no better, by itself: verified in a sandbox, as ``python -m buffers verify
--untrusted`` does, and if it is accepted there, read by this process. It fails where another exception escapes, where
this process takes more memory than it may, or where only the sandbox accepts it. (What a file that corrupts memory does
depends on what lies there, so the sandbox may refuse in any way what ended a process that reads cases.) A campaign that
dies or hangs was at the case whose number the bar shows.

A case is made from the seed and its number alone: ``--seed 0 --first 4711 --cases 1`` runs one again.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from h5py import h5f  # type: ignore[import-untyped]
from tqdm import tqdm

from buffers.storage.sandbox import Sandbox, verify_any
from experiments.benchmarks.timings import parse_options
from tests.fault_injection.hostile_shards import HARMED, Case, exercise, make_case
from tests.fault_injection.shard_originals import Original, originals

FINE = ("accepted", "refused", HARMED)


@dataclass(frozen=True)
class Config:
    """Options of the campaign."""

    cases: int = 100_000
    """Number of hostile files."""
    seed: int = 0
    """Seed of the cases."""
    first: int = 0
    """Number of the first case."""
    seconds: float = 20.0
    """Seconds after which the process that reads a case is killed."""
    memory_mib: int = 256
    """MiB that a process which reads cases may reserve, and that a case may add to what the caller ever held."""
    failures: Path | None = None
    """Folder for the files of failing cases; None keeps none."""
    json: Path | None = None
    """File for the results; None prints them only."""
    tiny: bool = False
    """Whether sizes that are not given are so small that all runs in seconds and measures nothing, as a test does."""


TINY = {"cases": 30}


@dataclass(frozen=True)
class Result:
    """How a case ended.

    Attributes:
        number: Of the case.
        outcome: One of ``FINE``, or what went wrong.
        seconds: Wall clock of reading.
        again: Whether it is fine in a new process, and was not in one that had read others.
    """

    number: int
    outcome: str
    seconds: float
    again: bool = False


def campaign(config: Config, unchanged: Mapping[str, Original]) -> Iterator[Result]:
    """The results of all cases, in order."""
    import buffers.batches  # noqa: F401  # loads PyTorch, before a case can be blamed for its memory

    number, end = config.first, config.first + config.cases
    with Sandbox(config.memory_mib, config.seconds) as sandbox, tempfile.TemporaryDirectory() as folder:
        again = False
        while number < end:
            first = number
            for result in _read_ahead(config, unchanged, range(first, end), Path(folder)):
                yield replace(result, again=again)
                number, again = number + 1, False
            again = number > first
            if not again:
                yield _by_itself(config, unchanged, number, Path(folder), sandbox)
                number += 1


def _read_ahead(
    config: Config, unchanged: Mapping[str, Original], numbers: Sequence[int], folder: Path
) -> Iterator[Result]:
    """The results of the first of some cases, up to one that does not end well in the process that reads them."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    reader = fork.Process(target=_read_cases, args=(config, unchanged, numbers, folder, theirs))
    reader.start()
    theirs.close()
    try:
        while ours.poll(config.seconds):
            yield Result(**json.loads(ours.recv_bytes()))
    except EOFError:
        pass
    finally:
        reader.kill()
        reader.join()


def _read_cases(
    config: Config, unchanged: Mapping[str, Original], numbers: Sequence[int], folder: Path, results: Connection
) -> None:
    sys.stderr = io.StringIO()  # what goes wrong here is told by the second reading
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + (config.memory_mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in numbers:
        started = time.perf_counter()
        outcome = exercise(make_case(unchanged, config.seed, number), folder, unchanged, verify_any)
        results.send_bytes(json.dumps(asdict(Result(number, outcome, time.perf_counter() - started))).encode())
        if h5f.get_obj_count(h5f.OBJ_ALL, h5f.OBJ_FILE):
            return  # HDF5 could not close it, and would take a file in the same place on the disk for it


def _by_itself(
    config: Config, unchanged: Mapping[str, Original], number: int, folder: Path, sandbox: Sandbox
) -> Result:
    case = make_case(unchanged, config.seed, number)
    before, started = _peak_mib(), time.perf_counter()
    try:
        outcome = exercise(case, folder, unchanged, sandbox.verify)
        if outcome == "accepted":
            outcome = "accepted in the sandbox, not in a process that reads cases"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}".replace(str(folder), "")
    if (increase := _peak_mib() - before) > config.memory_mib:
        outcome = f"took {increase:.0f} MiB, then {outcome}"
    result = Result(number, outcome, time.perf_counter() - started)
    if outcome not in FINE and config.failures:
        _keep(config.failures, case, result)
    return result


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def main() -> None:
    """Run the cases, print how they ended; exit with 1 if one failed."""
    config = parse_options(Config, __doc__, TINY)
    outcomes: Counter[str] = Counter()
    failed: list[Result] = []
    again = 0
    slowest = Result(-1, "", 0.0)
    started = time.perf_counter()
    with tqdm(campaign(config, originals()), total=config.cases, unit="case", desc="fuzz") as results:
        for result in results:
            outcomes[result.outcome if result.outcome in FINE else "failed"] += 1
            again += result.again
            slowest = max(slowest, result, key=lambda each: each.seconds)
            if result.outcome not in FINE:
                failed.append(result)
                results.set_postfix(failed=len(failed))
    seconds = time.perf_counter() - started
    for outcome, count in outcomes.most_common():
        print(f"{count:>9,} {outcome}")
    print(f"{again:>9,} of them only in a new process, not after others")
    for result in failed[:20]:
        print(f"case {result.number}: {result.outcome}")
    print(
        f"{sum(outcomes.values()):,} cases in {seconds:.0f} s; the slowest, {slowest.number}, {slowest.seconds:.1f} s"
    )
    if config.json:
        results_of = {"outcomes": outcomes, "again": again, "seconds": seconds, "slowest": asdict(slowest)}
        config.json.write_text(json.dumps(results_of | {"failed": [asdict(each) for each in failed]}, indent=2))
    sys.exit(1 if failed else 0)


def _keep(folder: Path, case: Case, result: Result) -> None:
    """Store a failing file, with what was done to it in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = "-".join([case.original.replace(" ", "_"), *case.mutations, case.mended])
    (folder / f"{result.number}-{recipe}.h5").write_bytes(case.content)


if __name__ == "__main__":
    main()
