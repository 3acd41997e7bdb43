"""Timings that are compared: taken in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, ParamSpec, TypeVar

import tyro

from agents import PolicyConfig
from seq2seq_env.commands import arguments
from seq2seq_env.progress import progress_bar
from seq2seq_env.tasks import TaskOptions

P = ParamSpec("P")
T = TypeVar("T")

Timed = Callable[[], object]
"""One run of what is timed; one that returns a float says by it how many seconds count, instead of the clock."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Options of every benchmark."""

    tiny: bool = False
    """Whether sizes that are not given are so small that all runs in seconds and measures nothing, as a test does."""


@dataclass(frozen=True, kw_only=True)
class TaskBenchmark(Benchmark):
    """Options of a benchmark on a task's texts."""

    task: str = "phrasebook-de-en"
    """Task that gives the texts."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task-options train_size 1000."""


TINY_TASK = {"train_size": "64", "validation_size": "8"}
TINY_POLICY = PolicyConfig(d_model=16, num_heads=2, encoder_layers=1, decoder_layers=1, ffn_dim=32)


def parse_options(kind: type[T], description: str | None, tiny: Mapping[str, Any]) -> T:
    """A benchmark's options from the command line, where ``--tiny`` stands for other defaults.

    Args:
        kind: Dataclass of the options, with a field ``tiny``.
        description: Of the benchmark, for ``--help``.
        tiny: Sizes with which the whole benchmark runs in seconds.
    """
    default = kind(**tiny) if "--tiny" in sys.argv[1:] else kind()
    return tyro.cli(kind, args=arguments(), description=description, default=default)


def rates(timed: Mapping[str, Timed], units: int, repeats: int) -> dict[str, list[float]]:
    """Units per second of each run, as often as it was repeated.

    Args:
        timed: Runs by name. Each is called once more, first, and not timed: what is loaded at a first call is not
            counted.
        units: What one run makes, such as tokens.
        repeats: Timings of each, at least 1.

    Raises:
        ValueError: If ``repeats`` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; give 1 or more")
    measured: dict[str, list[float]] = {name: [] for name in timed}
    with progress_bar(total=(1 + repeats) * len(timed), unit="timing", desc="measure", leave=False) as bar:
        for repeat in range(1 + repeats):
            for name, run in timed.items():
                bar.set_description(name)
                started = time.perf_counter()
                own = run()
                seconds = own if isinstance(own, float) else time.perf_counter() - started
                if repeat:
                    measured[name].append(units / seconds)
                bar.update()
    return measured


def by_cpu_time(run: Timed) -> Timed:
    """The run, with its CPU time as the seconds that count."""

    def timed() -> float:
        started = time.process_time()
        run()
        return time.process_time() - started

    return timed


def in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function of a module gives in a fresh process, whose peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_gib() -> float:
    """Largest resident memory of this process so far, on Linux; what getrusage tells counts the parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def spread(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"{digits(median(values))} ({digits(min(values))} to {digits(max(values))})"


def digits(value: float) -> str:
    """A number, whole from 1,000 on, with four digits below."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
