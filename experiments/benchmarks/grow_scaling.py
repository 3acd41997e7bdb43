"""Scaling of a Grow step's time and memory with the number of samples: the first should be linear, the second flat.

A saved policy of the embedded task samples more and more of its sources, and the shipped scorer rates them. Each
timing is a process of its own, whose peak memory is its own; the task's sentences are made before, and counted apart.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import agents
from buffers import GrowingBatchBuffer, grow
from experiments.benchmarks.timings import Benchmark, in_own_process, parse_options, peak_gib
from experiments.reports.tables import table
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers import load_scorer
from seq2seq_env.tasks import load_task


@dataclass(frozen=True)
class Config(Benchmark):
    """Options of the benchmark."""

    policy: Path | None = None
    """Folder of a saved policy of the embedded task; None takes one with random weights."""
    samples: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Numbers of samples to grow; the last takes about ten minutes on 2 cores."""
    candidates: int = 8
    """Number of samples of each source."""


TINY = {"samples": (8, 16), "candidates": 2}


def measure(config: Config, samples: int) -> dict[str, float]:
    """One Grow step of so many samples in a new folder."""
    sources = samples // config.candidates
    task = load_task("phrasebook-de-en", train_size=sources)
    task.split("train")
    scorer = load_scorer("phrasebook-qe")
    if config.policy is None:
        policy = agents.Seq2SeqPolicy.from_config(task.tokenizer, agents.PolicyConfig().for_task(task), seed=0)
    else:
        policy = agents.Seq2SeqPolicy.load(config.policy)
    folder = Path(mkdtemp())
    try:
        buffer = GrowingBatchBuffer(folder / "buffer", task=task)
        before, started = peak_gib(), time.perf_counter()
        report = grow(
            policy, scorer, task, buffer, grow_step=1, candidates=config.candidates, references=False, temperature=0.8,
            seed=0, progress=False,
        )  # fmt: skip
        spent = time.perf_counter() - started
        size = sum(path.stat().st_size for path in (folder / "buffer").rglob("*") if path.is_file())
    finally:
        shutil.rmtree(folder)
    return {
        "samples": report.trajectories,
        "seconds": spent,
        "samples per second": report.trajectories / spent,
        "memory before GiB": before,
        "peak memory GiB": peak_gib(),
        "bytes per token": size / report.tokens,
    }


def main() -> None:
    """Print a row for each number of samples."""
    config = parse_options(Config, __doc__, TINY)
    bar = progress_bar(config.samples, unit="timing", desc="measure")
    rows = [in_own_process(measure, config, samples) for samples in bar]
    print(table(list(rows[0]), ([f"{value:,.4g}" for value in row.values()] for row in rows)))


if __name__ == "__main__":
    main()
