"""What a Grow step will cost, from a short probe of this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from buffers.growing.workers import one_thread, single_threaded_torch
from buffers.storage.provenance import Provenance
from buffers.storage.shard import write_shard
from buffers.storage.trajectories import Trajectories

PROBED = (48, 144)
"""Sources that each thread makes, few and many, to see what a shard costs and what each source."""

WORTH_IT = 2_000
"""Sources below which a Grow step is over before a probe tells much."""

# Made first in each thread and not timed: scorers load at their first score, threads get their memory.
_WARM_UP = 8


@dataclass(frozen=True)
class Forecast:
    """What the shards still to be made are expected to cost.

    Attributes:
        sources: To make trajectories for.
        trajectories: Of them.
        seconds: Wall clock.
        num_bytes: On disk.
        scorer_calls: Distinct pairs of source and target to score.
    """

    sources: int
    trajectories: int
    seconds: float
    num_bytes: int
    scorer_calls: int

    def __str__(self) -> str:
        return (
            f"{self.sources:,} sources to go, {self.trajectories:,} trajectories: about "
            f"{timedelta(seconds=round(self.seconds))}, {self.num_bytes / 1e6:,.1f} MB, "
            f"{self.scorer_calls:,} pairs to score"
        )


def forecast(
    make: Callable[[NDArray[np.int64], Provenance], Trajectories],
    rows: NDArray[np.int64],
    first: Provenance,
    lanes: int,
) -> Forecast:
    """Make trajectories for a few sources in as many threads as will run, and reckon from them.

    Args:
        make: Makes the trajectories of some rows of the train split.
        rows: int64 [sources], all that are still to be made.
        first: Provenance of the step's first shard.
        lanes: Shards that are made at once, of all processes together.

    Raises:
        ValueError: If there are fewer rows than a probe takes.
    """
    if len(rows) < sum(PROBED):
        raise ValueError(f"there are {len(rows)} sources to go, fewer than a probe takes, {sum(PROBED)}")
    with single_threaded_torch() as threads:
        here = min(lanes, threads)
        # Evenly spread, so that a split sorted by length or domain is seen as a whole.
        spread = rows[np.linspace(0, len(rows) - 1, min(len(rows), here * sum(PROBED))).astype(np.int64)]
        with ThreadPoolExecutor(here, initializer=one_thread) as pool:
            probes = list(pool.map(lambda lane: _probe(make, spread[lane::here], first), range(here)))
    made = [part for parts, _ in probes for part in parts]
    few, many = (float(np.mean([seconds[n] for _, seconds in probes])) for n in (0, 1))
    a_source = max(0.0, many - few) / (PROBED[1] - PROBED[0])
    a_shard = max(0.0, few - a_source * PROBED[0])
    shards = math.ceil(len(rows) / first.sources_per_shard)
    rounds = math.ceil(shards / lanes)
    share = len(spread) / len(rows)
    return Forecast(
        sources=len(rows),
        trajectories=round(sum(len(part) for part in made) / share),
        seconds=rounds * a_shard + min(rounds * first.sources_per_shard, len(rows)) * a_source,
        num_bytes=_bytes(made[1], first, len(rows), shards),
        scorer_calls=round(sum(_distinct(part) for part in made) / share),
    )


def _probe(
    make: Callable[[NDArray[np.int64], Provenance], Trajectories], rows: NDArray[np.int64], first: Provenance
) -> tuple[list[Trajectories], list[float]]:
    """Few and many of the rows, and the seconds that each took."""
    every = sum(PROBED) // PROBED[0]
    of_few = np.arange(len(rows)) % every == 0
    made, seconds = [], []
    make(rows[:_WARM_UP], _for(first, _WARM_UP))
    for part in (rows[of_few], rows[~of_few]):
        started = time.perf_counter()
        made.append(make(part, _for(first, len(part))))
        seconds.append(time.perf_counter() - started)
    return made, seconds


def _for(first: Provenance, sources: int) -> Provenance:
    return replace(first, num_sources=sources, sources_per_shard=sources)


def _distinct(made: Trajectories) -> int:
    """Pairs of source and target, equal ones counted once."""
    targets = np.split(made.tokens, made.offsets[1:-1])
    return len({(row, tokens.tobytes()) for row, tokens in zip(made.source_index.tolist(), targets, strict=True)})


def _bytes(made: Trajectories, first: Provenance, sources: int, shards: int) -> int:
    """Size of all shards, from those of a probe and of its half: what each costs, and what each source costs."""
    whole = len(made.source_rows)
    half = made.take(np.flatnonzero(made.source_index < np.median(made.source_rows)).astype(np.int64))
    sizes = []
    with TemporaryDirectory() as folder:
        for number, part in enumerate((made, half)):
            path = Path(folder) / f"{number}.h5"
            write_shard(path, part, _for(first, len(part.source_rows)))
            sizes.append(path.stat().st_size)
    a_source = (sizes[0] - sizes[1]) / max(1, whole - len(half.source_rows))
    return round(a_source * sources + (sizes[0] - a_source * whole) * shards)
