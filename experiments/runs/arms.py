"""Arms of a run beside ReST: the controls, which train as ReST does, on other data.

A gain of ReST counts above the best of them. Each has ReST's gradient tokens, Improve steps, restarts and choices of
the best weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from buffers import GrowingBatchBuffer, Slice, at_most

Arm = Literal["unfiltered", "filtered", "samples", "one-grow", "random"]
"""Cheaper explanations of a gain: more training; the filter on the original data, without any sample; the samples,
without the original data; as many Improve steps on the first Grow step's batch alone, going on from ReST's own; as many
samples of each source, whatever their rewards."""


def arm_stage(arm: Arm) -> str:
    """Stage of an arm's last policy, which stands in order of names before ReST's."""
    return f"control-{arm}"


def arm_data(
    arm: Arm,
    buffer: GrowingBatchBuffer,
    grow_step: int,
    select: Callable[[Slice], Slice],
    column: Callable[[int], str | None] = lambda grow_step: None,
    seed: int = 0,
) -> Slice:
    """What an arm trains on in place of what ReST keeps of D_g.

    Args:
        arm: Which.
        buffer: The original data as Grow step 0, and all Grow steps' samples.
        grow_step: Number g of the Grow step, from 1.
        select: What ReST keeps of a batch.
        column: Gives the name of the rewards that a Grow step's filters go by; None for the shards' own.
        seed: Draws what is random.
    """
    if arm == "unfiltered":
        return buffer.select(grow_step=0)
    if arm == "one-grow":
        return select(buffer.select(grow_step=(0, 1), scorer=column(1)))
    batch = buffer.select(grow_step=(0, grow_step), scorer=column(grow_step))
    kept = select(batch)
    if arm == "random":
        return _drawn(batch, kept, np.random.default_rng(seed))
    return kept.where(kept.is_reference == (arm == "filtered"))


def _drawn(batch: Slice, kept: Slice, rng: np.random.Generator) -> Slice:
    """As many samples of each source as are kept, drawn from all of them, and the references that are kept."""
    pool, samples = (each.where(~each.is_reference) for each in (batch, kept))
    counts = np.bincount(samples.source_index, minlength=int(pool.source_index.max(initial=-1)) + 1)
    drawn = pool.where(at_most(pool.source_index, counts[pool.source_index], rng))
    return batch.where(np.isin(batch.rows, np.union1d(drawn.rows, kept.rows[kept.is_reference])))
