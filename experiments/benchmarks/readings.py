"""Readings that are compared: taken in turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

from tqdm import tqdm

Reading = Callable[[], object]
"""One run of what is measured; one that returns a float says by it how many seconds count, instead of the clock."""


def rates(readings: Mapping[str, Reading], units: int, repeats: int) -> dict[str, list[float]]:
    """Units a second of each reading, as often as it was repeated.

    Args:
        readings: By name. Each is called once more, first, and not timed: what is loaded at a first call is not
            counted.
        units: That one reading makes.
        repeats: At least 1.

    Raises:
        ValueError: If ``repeats`` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; give 1 or more")
    found: dict[str, list[float]] = {name: [] for name in readings}
    with tqdm(total=(1 + repeats) * len(readings), unit="reading", leave=False) as bar:
        for repeat in range(1 + repeats):
            for name, read in readings.items():
                bar.set_description(name)
                started = time.perf_counter()
                own = read()
                seconds = own if isinstance(own, float) else time.perf_counter() - started
                if repeat:
                    found[name].append(units / seconds)
                bar.update()
    return found


def spread(found: list[float]) -> str:
    """Median, least and greatest."""
    return f"{median(found):,.4g} ({min(found):,.4g} to {max(found):,.4g})"
