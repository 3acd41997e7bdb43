"""Whether a kill at any instant costs a buffer more than the unit of work that was being made.

A child process, forked with everything imported, works on a buffer and is killed by ``SIGKILL`` at a random instant,
again and again, until one child is left to finish. After every kill, all that readers see must be whole, and all that
was there before must still be there. At the end the files must have the bytes of a run that was never killed. More work
that can be killed is one more entry of ``WORKS``.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from threading import RLock

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from buffers import GrowingBatchBuffer, Samples, compact, grow, rescore
from buffers.admin.maintenance import find_corrupt, sweep
from buffers.storage.container import PARTIAL
from experiments.benchmarks.timings import parse_options
from seq2seq_env.tasks.phrasebook import PhrasebookTask
from seq2seq_env.tasks.task import Task

FORK = multiprocessing.get_context("fork")
SOURCES = 96
SOURCES_PER_SHARD = 6
COLUMN = "lengths"


@dataclass(frozen=True)
class Config:
    """Options of the campaign."""

    runs: int = 200
    """Number of runs of each kind of work, each begun anew and killed until it is done."""
    kills: int = 5
    """Number of attempts to kill in a run; there are fewer where a child is done before."""
    seed: int = 0
    """Seed of the instants."""
    json: Path | None = None
    """File for the results; None prints them only."""
    tiny: bool = False
    """Whether sizes that are not given are so small that all runs in seconds and measures nothing, as a test does."""


TINY = {"runs": 1, "kills": 1}


@dataclass
class Tally:
    """What a campaign saw.

    Attributes:
        runs: Begun and finished.
        identical: Of these, ended with the bytes of a run that was never killed.
        kills: That found a child at work.
        while_writing: Of these, left a file unfinished.
        problems: Anything lost, changed, corrupt or visible by halves, in one sentence each.
    """

    runs: int
    identical: int
    kills: int
    while_writing: int
    problems: list[str]


@dataclass(frozen=True)
class Work:
    """Something that is done to a buffer and can be killed.

    Attributes:
        prepare: Makes the folder that the work begins with.
        run: Does the work, or what is left of it.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], None]


@dataclass(frozen=True)
class Course:
    """How the work goes when nobody kills it.

    Attributes:
        start: The files that it begins with, by path within the folder.
        end: Those that it ends with.
        seconds: That it takes.
    """

    start: dict[str, bytes]
    end: dict[str, bytes]
    seconds: float


class DrawnWords:
    """A policy without a network: words of the vocabulary, drawn with the seed it is given.

    Args:
        task: Gives the vocabulary and the longest target.
    """

    fingerprint, engine = "drawn-words-1", "drawn words"

    def __init__(self, task: Task) -> None:
        self._tokenizer, self._longest = task.tokenizer, task.max_target_length

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """Targets of 1 to 11 words, all of which end."""
        rng = np.random.default_rng(seed)
        lengths = rng.integers(2, min(12, self._longest), size=len(sources) * num_candidates)
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        tokens = rng.integers(self._tokenizer.vocab_size // 2, self._tokenizer.vocab_size - 1, size=offsets[-1])
        tokens[offsets[1:] - 1] = self._tokenizer.eos_id
        return Samples(
            source_index=np.repeat(np.arange(len(sources), dtype=np.int64), num_candidates),
            offsets=offsets,
            tokens=tokens.astype(np.int32),
            log_prob=-rng.random(len(tokens), dtype=np.float32) / np.float32(temperature),
            terminated=np.ones(len(lengths), dtype=np.bool_),
            texts=self._tokenizer.decode([row.tolist() for row in np.split(tokens, offsets[1:-1])]),
        )

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """The same for every token."""
        return [np.full(len(target), -1 / temperature, dtype=np.float32) for target in targets]


class Lengths:
    """A scorer that prefers the right number of words."""

    fingerprint = "lengths-1"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """1 where both have as many words, less the more they differ."""
        differ = [len(source.split()) - len(text.split()) for source, text in zip(sources, hypotheses, strict=True)]
        return np.array([1 / (1 + abs(each)) for each in differ], dtype=np.float32)


def works(task: Task) -> dict[str, Work]:
    """All kinds of work, by name."""
    policy, scorer = DrawnWords(task), Lengths()

    def nothing(folder: Path) -> None:
        folder.mkdir()

    def grown(folder: Path) -> None:
        buffer = GrowingBatchBuffer(folder, task)
        grow(
            policy,
            scorer,
            task,
            buffer,
            grow_step=0,
            num_sources=SOURCES,
            candidates=4,
            temperature=0.8,
            seed=0,
            sources_per_shard=SOURCES_PER_SHARD,
            progress=False,
        )

    def rescored(folder: Path) -> None:
        rescore(GrowingBatchBuffer(folder, task), scorer, task, COLUMN, progress=False)

    def grown_and_rescored(folder: Path) -> None:
        grown(folder)
        rescored(folder)

    def compacted(folder: Path) -> None:
        compact(folder, trajectories_per_file=100, progress=False)  # three shards, of 30 each

    return {
        "grow": Work(nothing, grown),
        "rescore": Work(grown, rescored),
        "compact": Work(grown_and_rescored, compacted),
    }


def campaign(work: Work, config: Config, name: str) -> Tally:
    """Do the work many times, killed in between."""
    tally = Tally(0, 0, 0, 0, [])
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        work.prepare(whole)
        start = _contents(whole)
        seconds = _finish(work, whole)
        course = Course(start, _contents(whole), seconds)
        for run in tqdm(range(config.runs), unit="run", desc=name):
            folder = Path(scratch) / f"run-{run}"
            _lay_out(folder, start)
            _kill_often(work, folder, course, _instants(Random(f"{config.seed} {name} {run}"), config.kills), tally)
            _finish(work, folder)
            _check_end(folder, course, tally)
    return tally


def _instants(random: Random, kills: int) -> list[tuple[float, bool]]:
    """When to kill, as a share of the whole course, and whether to wait for the next file to be begun.

    The shares add up to 1 on average, so that kills fall on all of the course.
    """
    return [(random.uniform(0, 2 / kills), random.random() < 0.5) for _ in range(kills)]


def _kill_often(work: Work, folder: Path, course: Course, instants: Sequence[tuple[float, bool]], tally: Tally) -> None:
    units = _units(folder)
    for share, at_writing in instants:
        before = _partials(folder)
        child = FORK.Process(target=work.run, args=(folder,))
        child.start()
        child.join(share * course.seconds)
        while at_writing and child.is_alive() and not _partials(folder) - before:
            pass
        child.kill()
        child.join()
        if child.exitcode == 0:
            return
        tally.kills += 1
        tally.while_writing += bool(_partials(folder) - before)
        tally.problems += [found.problem for found in find_corrupt(folder, progress=False)]
        for file, content in _contents(folder).items():
            if content not in (course.start.get(file), course.end.get(file)):
                tally.problems.append(f"{folder.name}/{file} is neither as it was nor as it should be")
        now = _units(folder)
        tally.problems += [f"{folder.name} lost unit {unit}" for unit in sorted(units - now)]
        units = now


def _check_end(folder: Path, course: Course, tally: Tally) -> None:
    found = _contents(folder)
    differ = sorted(file for file in {*found, *course.end} if found.get(file) != course.end.get(file))
    tally.runs += 1
    tally.identical += not differ
    tally.problems += [f"{folder.name}/{file} is not as without kills" for file in differ]
    sweep(folder)
    tally.problems += [f"{file} was left by its killed writer" for file in _partials(folder)]


def _finish(work: Work, folder: Path) -> float:
    """Seconds that a child takes which nobody kills."""
    started = time.perf_counter()
    child = FORK.Process(target=work.run, args=(folder,))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"the work on {str(folder)!r} failed with exit code {child.exitcode}; its error is above")
    return time.perf_counter() - started


def _contents(folder: Path) -> dict[str, bytes]:
    """What readers can see, by path within the folder."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith("."))
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def _partials(folder: Path) -> set[Path]:
    return set(folder.rglob(f".*{PARTIAL}"))


def _lay_out(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _units(folder: Path) -> set[tuple[int, int]]:
    """The units of Grow work in a buffer."""
    made = [shard.provenance for shard in GrowingBatchBuffer(folder).shards]
    return {(each.grow_step, unit) for each in made for unit in each.units}


def main() -> None:
    """Run a campaign of each kind, print what they saw; exit with 1 if anything was lost."""
    tqdm.set_lock(RLock())  # tqdm's own is shared with forked children, and one that is killed would keep it
    config = parse_options(Config, __doc__, TINY)
    task = PhrasebookTask(0, train_size=SOURCES, noise=0.0)
    tallies = {name: campaign(work, config, name) for name, work in works(task).items()}
    for name, tally in tallies.items():
        print(
            f"{name:>8}: {tally.identical} of {tally.runs} byte-identical after {tally.kills} kills, "
            f"{tally.while_writing} of them while a file was written"
        )
        for problem in tally.problems[:10]:
            print(f"{'':>10}{problem}")
    if config.json:
        config.json.write_text(json.dumps({name: asdict(tally) for name, tally in tallies.items()}, indent=2))
    sys.exit(1 if any(tally.problems for tally in tallies.values()) else 0)


if __name__ == "__main__":
    main()
