"""Timings that are compared: taken in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, TypeVar

import tyro
from tqdm import tqdm

C = TypeVar("C")

Timed = Callable[[], object]
"""One run of what is timed; one that returns a float says by it how many seconds count, instead of the clock."""


def parse_options(kind: type[C], description: str | None, tiny: Mapping[str, Any]) -> C:
    """A benchmark's options from the command line, where ``--tiny`` stands for other defaults.

    Args:
        kind: Dataclass of the options, with a field ``tiny``.
        description: Of the benchmark, for ``--help``.
        tiny: Sizes with which the whole benchmark runs in seconds.
    """
    default = kind(**tiny) if "--tiny" in sys.argv[1:] else kind()
    return tyro.cli(kind, description=description, default=default)


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
    with tqdm(total=(1 + repeats) * len(timed), unit="timing", leave=False) as bar:
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


def spread(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"{median(values):,.4g} ({min(values):,.4g} to {max(values):,.4g})"
