"""Arms of a run beside ReST: the controls, which train as ReST does, on other data.

A gain of ReST counts above the best of them. Each has ReST's gradient tokens, Improve steps, restarts and choices of
the best weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from buffers import GrowingBatchBuffer, Slice, at_most
from experiments.runs.run_folder import RunFolder

Arm = Literal["unfiltered", "filtered", "samples", "one-grow", "random"]
"""Cheaper explanations of a gain: more training; the filter on the original data, without any sample; the samples,
without the original data; as many Improve steps on the first Grow step's batch alone, going on from ReST's own; as many
samples, whatever their rewards, of each source where the filter chooses within a source, else of all together."""


def arm_stage(arm: Arm) -> str:
    """Stage of an arm's last policy, which stands in order of names before ReST's."""
    return f"control-{arm}"


def leave_out(run: RunFolder, arm: Arm, reason: str) -> None:
    """Say and record why an arm has no policy; run again, it is tried again."""
    print(f"  WARNING: arm {arm!r} is left out: {reason}")
    run.finish(_left_out_stage(arm), {"reason": reason})


def arms_left_out(run: RunFolder) -> dict[str, str]:
    """Why arms have no policy, by the arm's name."""
    missing = (arm for arm in get_args(Arm) if run.has(_left_out_stage(arm)) and not run.has(arm_stage(arm)))
    return {arm: run.result(_left_out_stage(arm))["reason"] for arm in missing}


def _left_out_stage(arm: Arm) -> str:
    return f"left-out-{arm}"


Column = Callable[[int], str | None]
"""Gives the name of the rewards that a Grow step's filters go by; None for the shards' own."""

Select = Callable[[Slice], Slice]


def shards_own(grow_step: int) -> None:
    """The :data:`Column` of runs whose scorer stays as it is."""


def arm_pool(arm: Arm, buffer: GrowingBatchBuffer, grow_step: int, column: Column = shards_own) -> Slice:
    """All that an arm chooses from, as ReST does from D_g: what a value network learns from.

    Args:
        arm: Which.
        buffer: The original data as Grow step 0, and all Grow steps' samples.
        grow_step: Number g of the Grow step, from 1.
        column: Of the rewards.
    """
    if arm == "unfiltered":
        return buffer.select(grow_step=0, scorer=column(grow_step))
    batch = _batch(arm, buffer, grow_step, column)
    return batch if arm in ("one-grow", "random") else batch.where(batch.is_reference == (arm == "filtered"))


def arm_data(
    arm: Arm,
    buffer: GrowingBatchBuffer,
    grow_step: int,
    select: Select,
    column: Column = shards_own,
    narrow: Select = lambda data: data,
    counted: Select = lambda data: data,
    *,
    by_source: bool = True,
    seed: int = 0,
) -> Slice:
    """What an arm trains on in place of what ReST keeps of D_g.

    Args:
        arm: Which.
        buffer: The original data as Grow step 0, and all Grow steps' samples.
        grow_step: Number g of the Grow step, from 1.
        select: What passes ReST's filter.
        column: Of the rewards.
        narrow: What ReST trains on of what passes.
        counted: What ReST counts of several equal targets of a source.
        by_source: Whether the filter chooses within each source. One that does not chooses sources, too, which the arm
            "random" must not.
        seed: Draws what is random.
    """
    if arm == "unfiltered":
        return narrow(buffer.select(grow_step=0, scorer=column(grow_step)))
    batch = _batch(arm, buffer, grow_step, column)
    kept = select(batch)
    if arm == "random":
        return _drawn(batch, narrow(kept), counted, by_source, np.random.default_rng(seed))
    return narrow(kept if arm == "one-grow" else kept.where(kept.is_reference == (arm == "filtered")))


def known_grow_step(arm: Arm, grow_step: int) -> int:
    """The Grow step whose batch, and refreshed scorer, an arm has where ReST is at another one."""
    return 1 if arm == "one-grow" else grow_step


def _batch(arm: Arm, buffer: GrowingBatchBuffer, grow_step: int, column: Column) -> Slice:
    """D_g, or D_1."""
    known = known_grow_step(arm, grow_step)
    return buffer.select(grow_step=(0, known), scorer=column(known))


def _drawn(batch: Slice, kept: Slice, counted: Select, by_source: bool, rng: np.random.Generator) -> Slice:
    """As many samples as are kept, of each source or of all together, whatever their rewards; and kept references."""
    pool, samples = counted(batch.where(~batch.is_reference)), kept.where(~kept.is_reference)
    references = kept.rows[kept.is_reference]
    # A number for each group that is drawn from: each source, or all of them.
    groups, taken = (each.source_index if by_source else np.zeros_like(each.source_index) for each in (pool, samples))
    # What a kept reference says, too, counts once with it. It is a group of its own, of which none is drawn, and not
    # left out, so that the others' draws stay as they are without it.
    free = counted(batch.where(np.isin(batch.rows, np.union1d(pool.rows, references))))
    groups = np.where(np.isin(pool.rows, free.rows), groups, groups.max(initial=-1) + 1)
    counts = np.bincount(taken, minlength=int(groups.max(initial=-1)) + 1)
    drawn = pool.where(at_most(groups, counts[groups], rng))
    return batch.where(np.isin(batch.rows, np.union1d(drawn.rows, references)))
