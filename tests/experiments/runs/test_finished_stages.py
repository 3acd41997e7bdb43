"""Stages of a run, and the one whose policy is the run's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.runs.finished_stages import final_stage, look_stage, rest_stages, step_of


def test_the_final_stage_is_the_last_or_what_the_gate_fell_back_to(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    for name in ("g10i1", "g0i0", "g2i1", "control-filtered-g2i1", "gate.g2i1", "usage", "best-of-n"):
        (tmp_path / "stages" / f"{name}.json").write_text(json.dumps({"final": "g2i1"}))
    assert rest_stages(tmp_path) == ["g0i0", "g2i1", "g10i1"]
    assert final_stage(tmp_path) == "g10i1"
    (tmp_path / "stages" / f"{look_stage('g10i1')}.json").write_text(json.dumps({"final": "g2i1"}))
    assert final_stage(tmp_path) == "g2i1"


def test_what_is_no_improve_step_is_refused() -> None:
    assert step_of("g12i3") == (12, 3)
    with pytest.raises(ValueError, match="stage 'control-filtered' is no Improve step; give one such as g1i2"):
        step_of("control-filtered")
