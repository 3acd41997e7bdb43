"""Finished stages of a run of growing_batch.py, and the one whose policy is the run's: a gate may end it early."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from experiments.runs.arms import Arm, arm_stage
from experiments.runs.run_folder import STAGES
from seq2seq_env.atomic_files import read_json

ARM_STAGES: dict[str, str] = {arm_stage(arm): arm for arm in get_args(Arm)}
"""Arms by the stage of their last policy."""

_STAGE = re.compile(r"g(\d+)i(\d+)")


def rest_stages(run: Path) -> list[str]:
    """Stages of ReST itself that a run's folder holds, in order; the supervised policy's is the first."""
    names = [path.stem for path in (run / STAGES).glob("g*i*.json")]
    return sorted(filter(is_step, names), key=step_of)


def is_step(stage: str) -> bool:
    """Whether a stage is the supervised policy or an Improve step."""
    return _STAGE.fullmatch(stage) is not None


def step_of(stage: str) -> tuple[int, int]:
    """Numbers of the Grow step and of the Improve step of a stage of ReST's: of "g1i2" 1 and 2.

    Raises:
        ValueError: If it is another stage.
    """
    parsed = _STAGE.fullmatch(stage)
    if parsed is None:
        raise ValueError(f"stage {stage!r} is no Improve step; give one such as g1i2")
    return int(parsed[1]), int(parsed[2])


def stage_name(stage: str) -> str:
    """Name of a stage as reports have it: "supervised", "G=1 I=3", an arm's own, or the stage itself."""
    if not is_step(stage):
        return ARM_STAGES.get(stage, stage)
    grow, improve = step_of(stage)
    return f"G={grow} I={improve}" if grow else "supervised"


def look_stage(stage: str) -> str:
    """Stage under which the gate's look at an Improve step is recorded."""
    return f"gate.{stage}"


def final_stage(run: Path) -> str:
    """Stage whose policy is the run's: the last one, or the one that its gate fell back to."""
    last = rest_stages(run)[-1]
    look = run / STAGES / f"{look_stage(last)}.json"
    return str(read_json(look)["final"]) if look.is_file() else last
