"""Our shards beside Minari's and d3rlpy's files: size, time, memory, for the same synthetic trajectories.

Each timing is a process of its own, whose peak memory is its own. Minari (HDF5 storage) and ours write, open, filter
by reward and give the first batch, and read all episodes one by one; d3rlpy dumps and loads its replay buffer, and ours
writes and reads everything. Minari needs the extra ``interop``, some gigabytes of disk and, at 100,000 episodes, about
half an hour.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal
from unittest.mock import patch

import numpy as np
from tqdm import tqdm

from buffers import GrowingBatchBuffer, Slice, Threshold, d3rlpy_module, to_d3rlpy, to_minari
from experiments.benchmarks.buffer_scale import CANDIDATES, SOURCE_TOKENS, VOCABULARY, provenance, synthetic
from experiments.benchmarks.timings import Benchmark, in_own_process, parse_options, peak_gib
from experiments.reports.tables import table
from seq2seq_env.progress import progress_bar

TAU = 0.9
BATCH = 64
LONGEST = 64
MINARI_ID = "bench-v0"


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    episodes: int = 100_000
    """Number of trajectories, of 25 tokens on average."""
    folder: Path | None = None
    """Folder that the files are kept in; None takes a new one and deletes it."""
    baselines: tuple[Literal["minari", "d3rlpy"], ...] = ("minari", "d3rlpy")
    """Libraries to compare with."""


TINY = {"episodes": 1_000}


def data(config: Config) -> Slice:
    """The trajectories."""
    rows = np.arange(config.episodes // CANDIDATES, dtype=np.int64)
    return Slice.from_trajectories(synthetic(np.random.default_rng(0), rows), pad_id=VOCABULARY - 1)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def write_ours(config: Config, folder: Path) -> dict[str, float]:
    """In shards of 512 sources, as Grow writes them."""
    everything, size = data(config).read(), 512
    buffer = GrowingBatchBuffer(folder / "ours")
    sources = config.episodes // CANDIDATES
    spent = 0.0
    for unit, start in enumerate(range(0, sources, size)):
        low, high = start * CANDIDATES, min(sources, start + size) * CANDIDATES
        part = everything.take(np.arange(low, high))
        before = time.perf_counter()
        buffer.append(part, provenance(sources, size, unit))
        spent += time.perf_counter() - before
    return {"write s": spent, "bytes an episode": size_of(folder / "ours") / config.episodes}


def first_ours(config: Config, folder: Path) -> dict[str, float]:
    """Open, select by threshold, first batch."""
    start = time.perf_counter()
    kept = GrowingBatchBuffer(folder / "ours").select(Threshold(TAU))
    batch = next(iter(kept.batches(BATCH * LONGEST, seed=0)))
    spent = time.perf_counter() - start
    assert bool((batch.reward > TAU).all())
    return {"first filtered batch s": spent}


def read_ours(config: Config, folder: Path) -> dict[str, float]:
    """Everything, one episode after the other."""
    imported = peak_gib()
    start = time.perf_counter()
    tokens = 0
    everything = GrowingBatchBuffer(folder / "ours").select().read()
    for (low, high), reward in zip(pairwise(everything.offsets), everything.reward, strict=True):
        episode = everything.tokens[low:high], everything.log_prob[low:high], reward
        tokens += len(episode[0])
    spent = time.perf_counter() - start
    return {"read s": spent, "episodes read a second": config.episodes / spent} | memory(imported)


def write_minari(config: Config, folder: Path) -> dict[str, float]:
    """By our export, which writes with Minari's own storage."""
    grown = data(config)
    start = time.perf_counter()
    to_minari(grown, MINARI_ID, progress=True)
    spent = time.perf_counter() - start
    return {"write s": spent, "bytes an episode": size_of(folder / MINARI_ID) / config.episodes}


def first_minari(config: Config, folder: Path) -> dict[str, float]:
    """Load, filter by the last reward, first batch of episodes."""
    import minari

    start = time.perf_counter()
    kept = minari.load_dataset(MINARI_ID).filter_episodes(lambda episode: episode.rewards[-1] > TAU)
    batch = kept.sample_episodes(BATCH)
    spent = time.perf_counter() - start
    assert len(list(batch)) == BATCH
    return {"first filtered batch s": spent}


def read_minari(config: Config, folder: Path) -> dict[str, float]:
    """One episode after the other; a tenth of them, for time."""
    import minari

    imported, count = peak_gib(), max(1, config.episodes // 10)
    start = time.perf_counter()
    tokens = sum(len(episode.actions) for episode in minari.load_dataset(MINARI_ID).iterate_episodes(range(count)))
    spent = time.perf_counter() - start
    assert tokens > count
    return {"episodes read a second": count / spent} | memory(imported)


def write_d3rlpy(config: Config, folder: Path) -> dict[str, float]:
    """``ReplayBuffer.dump``."""
    buffer = to_d3rlpy(data(config), max_source_length=SOURCE_TOKENS, max_target_length=LONGEST, vocab_size=VOCABULARY)
    start = time.perf_counter()
    with (folder / "d3rlpy.h5").open("w+b") as file:
        buffer.dump(file)
    return {"write s": time.perf_counter() - start, "bytes an episode": size_of(folder / "d3rlpy.h5") / config.episodes}


def read_d3rlpy(config: Config, folder: Path) -> dict[str, float]:
    """``ReplayBuffer.load``."""
    library = d3rlpy_module()
    imported = peak_gib()
    start = time.perf_counter()
    with (folder / "d3rlpy.h5").open("rb") as file:
        buffer = library.dataset.ReplayBuffer.load(file, library.dataset.InfiniteBuffer())
    spent = time.perf_counter() - start
    assert len(buffer.episodes) == config.episodes
    return {"read s": spent} | memory(imported)


def memory(imported: float) -> dict[str, float]:
    """Peak of this process, and what its imports did not take of it."""
    return {"peak memory GiB": peak_gib(), "beyond imports GiB": peak_gib() - imported}


TIMINGS: dict[str, tuple[Callable[[Config, Path], dict[str, float]], ...]] = {
    "ours": (write_ours, first_ours, read_ours),
    "minari": (write_minari, first_minari, read_minari),
    "d3rlpy": (write_d3rlpy, read_d3rlpy),
}


def main() -> None:
    """Print the tables."""
    config = parse_options(Config, __doc__, TINY)
    folder = config.folder or Path(mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    measured: dict[str, dict[str, float]] = {who: {} for who in ("ours", *config.baselines)}
    try:
        with patch.dict(os.environ, MINARI_DATASETS_PATH=str(folder)):
            wanted = [(name, timing) for name in measured for timing in TIMINGS[name]]
            for who, timing in progress_bar(wanted, unit="timing", desc="measure"):
                values = in_own_process(timing, config, folder)
                measured[who] |= values
                tqdm.write(f"{timing.__name__.replace('_', ' ')}: {values}")
    finally:
        if config.folder is None:
            shutil.rmtree(folder)
    print(
        f"{config.episodes:,} episodes; "
        + ", ".join(f"{baseline} {version(baseline)}" for baseline in (*config.baselines, "h5py"))
    )
    for baseline in config.baselines:
        pairs = ((name, theirs, measured["ours"][name]) for name, theirs in measured[baseline].items())
        rows = ((name, f"{theirs:,.3f}", f"{ours:,.3f}", f"{theirs / ours:,.1f}") for name, theirs, ours in pairs)
        print(f"\n{table(('what', baseline, 'ours', 'ratio'), rows)}")


if __name__ == "__main__":
    main()
