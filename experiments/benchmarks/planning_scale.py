"""Manifest, selection and batch planning of a buffer of very many rows, from metadata alone: time and peak memory.

The shards of an object store are committed, and no more than that; their rewards and lengths are made up when they are
asked for, one shard at a time, as a shard's are read. What is timed is the buffer's own code: opening the store's
manifest, asking what is missing, a filter over all rewards, and an epoch of batches of what it keeps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Percentile, Provenance, Slice, Threshold, Trajectories
from buffers.storage.columns import Column, Columns
from buffers.storage.object_store import CACHE, Commit
from experiments.benchmarks.timings import Benchmark, in_own_process, parse_options, peak_gib
from experiments.reports.tables import table

URL = "memory://planning/buffer"


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    rows: int = 1_000_000_000
    """Number of trajectories."""
    rows_per_shard: int = 16_384
    """Trajectories of a shard; a Grow step has at most a million shards."""
    candidates: int = 8
    """Trajectories of a source."""
    tau: float = 0.99
    """Threshold of the filter; rewards are spread evenly over [0, 1)."""
    tokens_per_batch: int = 8_192
    """Token budget of a batch."""
    per_source: bool = False
    """Whether a filter that compares a source's candidates is timed, too, which sorts each shard."""


TINY: dict[str, Any] = {"rows": 2_000, "rows_per_shard": 80, "tau": 0.5, "tokens_per_batch": 200}


@dataclass(frozen=True)
class MadeUp:
    """A shard whose metadata are pure functions of its number; see :class:`buffers.storage.columns.Part`.

    Attributes:
        number: From 0.
        num_trajectories: N.
        candidates: Trajectories of a source.
    """

    number: int
    num_trajectories: int
    candidates: int
    temperature = 0.8
    grow_step = 1

    @property
    def num_tokens(self) -> int:
        """Target tokens, as many as there are on average."""
        return 22 * self.num_trajectories

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N]."""
        rows = np.arange(self.num_trajectories, dtype=np.int64)
        random = np.random.Generator(np.random.SFC64(self.number))
        if name == "reward":
            return random.random(len(rows), dtype=np.float32)
        if name == "source_index":
            return (self.number * self.num_trajectories + rows) // self.candidates
        if name == "source_length":
            return 5 + rows // self.candidates % 35
        if name == "target_length":
            return random.integers(5, 40, len(rows), dtype=np.uint8).astype(np.int64)
        return np.zeros(len(rows), dtype=np.bool_)

    def read(self) -> Trajectories:
        """There are no tokens.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"shard {self.number} is made up, and has no tokens; read rewards and lengths alone")


def first_provenance(config: Config) -> Provenance:
    """What made the first shard."""
    return Provenance(
        task="made-up", task_fingerprint="task" * 16, tokenizer_fingerprint="word" * 16, pad_id=1,
        policy_fingerprint="pole" * 16, sampler="made-up 1", scorer_fingerprint="mark" * 16, temperature=0.8,
        grow_from="train", candidates=config.candidates, references=0, num_sources=config.rows // config.candidates,
        sources_per_shard=config.rows_per_shard // config.candidates, seed=0, grow_step=1, shard_index=0,
        tokenizer_folder="tokenizer-wordwordword",
    )  # fmt: skip


def commit_all(config: Config, parts: list[MadeUp]) -> None:
    """A commit for every shard, as Grow leaves it."""
    import fsspec  # type: ignore[import-untyped]

    files, first = fsspec.filesystem("memory"), first_provenance(config)
    for part in parts:
        name = f"g001-s{part.number:05d}.h5"
        facts = {
            "provenance": asdict(replace(first, shard_index=part.number)), "contents_sha256": f"{part.number:064x}",
            "num_trajectories": part.num_trajectories, "num_tokens": part.num_tokens,
            "num_sources": part.num_trajectories // part.candidates,
        }  # fmt: skip
        commit = Commit({name: 100 * part.num_trajectories}, {name: f"{part.number:064x}"}, facts, float(part.number))
        files.pipe_file(f"{URL}/commits/{name}.json", commit.text().encode())


def measure(config: Config) -> list[tuple[str, str, float, float]]:
    """Stage, what came of it, CPU seconds, and GiB of peak memory so far."""
    count = config.rows // config.rows_per_shard
    parts = [MadeUp(number, config.rows_per_shard, config.candidates) for number in range(count)]
    config = replace(config, rows=count * config.rows_per_shard)
    stages: list[tuple[str, str, float, float]] = []

    def timed(stage: str, run: Callable[[], Any], show: Callable[[Any], str]) -> Any:
        started = time.process_time()
        result = run()
        stages.append((stage, show(result), time.process_time() - started, peak_gib()))
        return result

    timed("(commits made up)", lambda: commit_all(config, parts), lambda _: f"{count:,} shards")
    buffer = timed("manifest", lambda: GrowingBatchBuffer(URL), lambda buffer: f"{len(buffer):,} rows")
    timed("what is missing", lambda: buffer.missing(1, range(count + 1)), lambda missing: f"shards {missing}")
    columns = Columns(parts)
    kept: Slice = timed(
        f"selection, R > {config.tau:g}",
        lambda: Slice.of_columns(columns, 1, None, Threshold(config.tau)),
        lambda kept: f"{len(kept):,} rows",
    )
    if config.per_source:
        by_source = Percentile(90)
        timed(
            "selection, best tenth of each source",
            lambda: Slice.of_columns(columns, 1, None, by_source),
            lambda kept: f"{len(kept):,} rows",
        )
    timed(
        "batches of an epoch",
        lambda: sum(1 for _ in kept.plan(config.tokens_per_batch, seed=0)),
        lambda batches: f"{batches:,} batches",
    )
    return stages


def main() -> None:
    """Print a row for each stage, in a process of its own."""
    config = parse_options(Config, __doc__, TINY)
    with TemporaryDirectory() as folder:
        os.environ[CACHE] = folder
        stages = in_own_process(measure, config)
    rows = [(stage, result, f"{seconds:.1f}", f"{memory:.2f}") for stage, result, seconds, memory in stages]
    print(table(("stage", "result", "CPU seconds", "peak memory so far, GiB"), rows))
    spent = sum(seconds for stage, _, seconds, _ in stages if not stage.startswith("("))
    print(f"all but what is made up first: {spent:.1f} s of CPU time (target 60), {stages[-1][3]:.2f} GiB (target 3)")


if __name__ == "__main__":
    main()
