"""How a buffer of ten million trajectories behaves: append, open, select, first batch, memory, sequential reading.

The trajectories are synthetic, of 25 target tokens on average. Each timing is a process of its own, so that its peak
memory is its own; what importing the packages takes is printed too, and counted in.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Provenance, Threshold, Trajectories
from experiments.benchmarks.timings import Benchmark, in_own_process, parse_options, peak_gib
from experiments.reports.tables import table
from seq2seq_env.progress import progress_bar

CANDIDATES = 5
VOCABULARY = 8_000
SOURCE_TOKENS = 20


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    trajectories: int = 10_000_000
    """Number of trajectories to append."""
    sources_per_shard: int = 50_000
    """Sources per file, each with 5 trajectories."""
    tau: float = 0.9
    """Threshold of the selection; rewards are uniform in [0, 1]."""
    tokens_per_batch: int = 4_096
    """Token budget of the first batch."""
    repeats: int = 5
    """Timings of each kind, of which the median is shown."""
    folder: Path | None = None
    """Folder that the buffer is kept and found again in; None takes a new one and deletes it."""


TINY = {"trajectories": 1_000, "sources_per_shard": 50, "repeats": 1}


def synthetic(rng: np.random.Generator, rows: NDArray[np.int64]) -> Trajectories:
    """Five trajectories for each source row: lengths about 25, all tokens alike, and rewards uniform."""
    count = len(rows) * CANDIDATES
    lengths = np.clip(rng.poisson(25, count), 1, None)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    return Trajectories(
        source_index=np.repeat(rows, CANDIDATES),
        offsets=offsets,
        tokens=rng.integers(0, VOCABULARY, total, dtype=np.int32),
        log_prob=-rng.exponential(1.0, total).astype(np.float32),
        terminated=np.ones(count, dtype=np.bool_),
        reward=rng.random(count, dtype=np.float32),
        is_reference=np.zeros(count, dtype=np.bool_),
        source_rows=rows,
        source_offsets=np.arange(0, len(rows) * SOURCE_TOKENS + 1, SOURCE_TOKENS, dtype=np.int64),
        source_tokens=rng.integers(0, VOCABULARY, len(rows) * SOURCE_TOKENS, dtype=np.int32),
    )


def provenance(sources: int, sources_per_shard: int, unit: int) -> Provenance:
    """Of synthetic shards."""
    return Provenance(
        task="synthetic",
        task_fingerprint="synthetic",
        tokenizer_fingerprint="synthetic",
        pad_id=VOCABULARY - 1,
        policy_fingerprint="synthetic",
        sampler="synthetic",
        scorer_fingerprint="synthetic",
        temperature=1.0,
        grow_from="train",
        candidates=CANDIDATES,
        references=1,
        num_sources=sources,
        sources_per_shard=sources_per_shard,
        seed=0,
        grow_step=1,
        shard_index=unit,
    )


def fill(config: Config, folder: Path) -> float:
    """Append all shards that are missing; seconds."""
    sources, size = config.trajectories // CANDIDATES, config.sources_per_shard
    buffer = GrowingBatchBuffer(folder)
    spent = 0.0
    for unit in progress_bar(range(-(-sources // size)), unit="shard", desc="append"):
        if not buffer.has(1, unit):
            rows = np.arange(unit * size, min(sources, (unit + 1) * size), dtype=np.int64)
            trajectories = synthetic(np.random.default_rng(unit), rows)
            before = time.perf_counter()
            buffer.append(trajectories, provenance(sources, size, unit))
            spent += time.perf_counter() - before
    return spent


def use(config: Config, folder: Path) -> dict[str, float]:
    """Open, select, first batch, and the memory of it all."""
    imported = peak_gib()
    start = time.perf_counter()
    buffer = GrowingBatchBuffer(folder)
    opened = time.perf_counter()
    data = buffer.select(Threshold(config.tau))
    selected = time.perf_counter()
    batch = next(iter(data.batches(config.tokens_per_batch, seed=0)))
    first = time.perf_counter()
    assert bool((batch.reward > config.tau).all())
    return {
        "open s": opened - start,
        "select by threshold s": selected - opened,
        "first batch s": first - selected,
        "peak memory GiB": peak_gib(),
        "of it imports GiB": imported,
        "kept": float(len(data)),
    }


def sequential(config: Config, folder: Path) -> dict[str, float]:
    """Seconds to read the tokens of every shard through the package, and from plain contiguous files by h5py alone.

    Both open and close each file; the plain files hold the same bytes and nothing else.
    """
    shards = GrowingBatchBuffer(folder).shards
    plain = Path(mkdtemp(dir=folder.parent))
    try:
        for shard in shards:
            with h5py.File(plain / shard.path.name, "w") as file:
                file["tokens"] = shard.read_arrays(("tokens",))["tokens"].astype(np.uint16)
        ours, theirs = [], []
        for _ in range(3):
            start = time.perf_counter()
            for shard in shards:
                shard.read_arrays(("tokens",))
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            for shard in shards:
                with h5py.File(plain / shard.path.name, "r") as file:
                    file["tokens"][:]
            theirs.append(time.perf_counter() - start)
    finally:
        shutil.rmtree(plain)
    return {"sequential tokens, ours s": float(np.median(ours)), "plain h5py s": float(np.median(theirs))}


def medians(timing: Callable[[Config, Path], dict[str, float]], config: Config, folder: Path) -> dict[str, float]:
    """Over processes of their own."""
    bar = progress_bar(range(config.repeats), unit="timing", desc=timing.__name__)
    rows = [in_own_process(timing, config, folder) for _ in bar]
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def main() -> None:
    """Print the table."""
    config = parse_options(Config, __doc__, TINY)
    folder = config.folder or Path(mkdtemp()) / "buffer"
    try:
        spent = fill(config, folder)
        buffer = GrowingBatchBuffer(folder)
        tokens = sum(shard.num_tokens for shard in buffer.shards)
        size = sum(shard.path.stat().st_size for shard in buffer.shards)
        print(f"{len(buffer):,} trajectories, {tokens:,} tokens, {len(buffer.shards)} files, {size / 2**30:.2f} GiB")
        rows = {"append s": spent, "bytes per token (random, incompressible)": size / tokens}
        rows |= medians(use, config, folder) | medians(sequential, config, folder)
        rows["sequential, share of plain h5py"] = rows["plain h5py s"] / rows["sequential tokens, ours s"]
        print(table(("what", "median"), ((name, f"{value:,.3f}") for name, value in rows.items())))
    finally:
        if config.folder is None:
            shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
