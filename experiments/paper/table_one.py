"""Table 1 of the paper: ReST beside supervised training, BC on all of its batch, and online agents.

The paper has rewards and samples. Here stand beside them what the oracle says, greedy translations, and entropy,
without which a reward of samples tells little: samples get better by lower entropy alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.paper.measurements import (
    SAMPLE_ORACLE,
    SAMPLE_REWARD,
    bleu_changes,
    measured_on_test,
    trained,
    values,
)
from experiments.paper.parts import Plan
from experiments.reports.statistics import interval
from experiments.reports.tables import Table, number, table
from experiments.runs.finished_stages import rest_stages, stage_name, step_of

START = "g0i0"
"""Stage of the supervised policy."""

GAINS = {SAMPLE_REWARD: "reward", SAMPLE_ORACLE: "true quality", "greedy_oracle": "true quality, greedy"}
"""Columns of kept translations, as above the supervised policy's."""


class Arm(NamedTuple):
    """A row: a stage of whole runs, and the samples a run drew for it."""

    name: str
    runs: Sequence[Path]
    stage: str
    samples: float


def arms(plan: Plan) -> Iterator[Arm]:
    """The rows below the supervised policy's.

    Raises:
        FileNotFoundError: If a run is missing.
    """
    compared = plan.compared("batch")
    grown = plan.spent("rest").samples / len(plan.runs) / max(step_of(stage)[0] for stage in rest_stages(plan.runs[0]))
    yield Arm("G=1 I=0, BC on all of the batch", compared, "bc.own", grown)
    stages = rest_stages(plan.runs[0])
    for grow in dict.fromkeys(step_of(stage)[0] for stage in stages if stage != START):
        last = [stage for stage in stages if step_of(stage)[0] == grow][-1]
        yield Arm(stage_name(last), plan.runs, last, grow * grown)
    for agent in plan.online:
        runs = plan.online_runs(agent)
        yield Arm(agent, runs, "g1i1", float(np.mean([trained(run, "g1i1").samples for run in runs])))


def table_one(plan: Plan) -> Table:
    """Markdown, a row an arm: means over whole runs, with 95 % intervals of what is gained above the same runs' start.

    Raises:
        FileNotFoundError: If a run is missing.
    """
    head = ["policy", "samples drawn", "gradient tokens", "seconds of training", *GAINS.values(), "greedy BLEU", "nats"]
    start = [f"{values(plan.runs, START, column).mean():.3f}" for column in GAINS]
    rows = [["supervised", "-", "-", "-", *start, _mean(plan.runs, START, "greedy", "bleu"), _nats(plan.runs, START)]]
    for arm in arms(plan):
        spent = [trained(run, arm.stage) for run in arm.runs]
        gains = (values(arm.runs, arm.stage, column) - values(arm.runs, START, column) for column in GAINS)
        rows.append(
            [
                arm.name,
                f"{arm.samples:,.0f}",
                f"{np.mean([each.tokens for each in spent]):,.0f}",
                f"{np.mean([each.seconds for each in spent]):,.0f}",
                *(f"{interval(gain):+.3f}" for gain in gains),
                f"{interval(bleu_changes(arm.runs, arm.stage)[:, None]):+.1f}",
                _nats(arm.runs, arm.stage),
            ]
        )
    return table(head, rows)


def _nats(runs: Sequence[Path], stage: str) -> str:
    return _mean(runs, stage, "sample", "nats")


def _mean(runs: Sequence[Path], stage: str, decode: str, measure: str) -> str:
    return number(float(np.mean([measured_on_test(run, stage, decode, measure) for run in runs])))
