"""Arms of a run beside ReST: the controls, which train as ReST does, on other data.

A gain of ReST counts above the best of them. Each has ReST's gradient tokens, Improve steps, restarts and choices of
the best weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from buffers import GrowingBatchBuffer, Slice

Arm = Literal["unfiltered", "filtered", "samples", "one-grow"]
"""Cheaper explanations of a gain: more training; the filter on the original data, without any sample; the samples,
without the original data; as many Improve steps on the first Grow step's batch alone, going on from ReST's own."""


def arm_stage(arm: Arm) -> str:
    """Stage of an arm's last policy, which stands in order of names before ReST's."""
    return f"control-{arm}"


def arm_data(
    arm: Arm,
    buffer: GrowingBatchBuffer,
    grow_step: int,
    select: Callable[[Slice], Slice],
    column: Callable[[int], str | None] = lambda grow_step: None,
) -> Slice:
    """What an arm trains on in place of what ReST keeps of D_g.

    Args:
        arm: Which.
        buffer: The original data as Grow step 0, and all Grow steps' samples.
        grow_step: Number g of the Grow step, from 1.
        select: What ReST keeps of a batch.
        column: Gives the name of the rewards that a Grow step's filters go by; None for the shards' own.
    """
    if arm == "unfiltered":
        return buffer.select(grow_step=0)
    if arm == "one-grow":
        return select(buffer.select(grow_step=(0, 1), scorer=column(1)))
    data = select(buffer.select(grow_step=(0, grow_step), scorer=column(grow_step)))
    return data.where(data.is_reference == (arm == "filtered"))
