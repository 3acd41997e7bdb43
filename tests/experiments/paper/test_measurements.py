"""What is read of runs written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.paper.measurements import (
    TEST,
    VALIDATION,
    bleu_changes,
    curve_gains,
    step_gains,
    value_correlations,
    values,
)
from tests.experiments.paper.written_plan import write, written_plan

STAGES = {"g0i0": 0.5, "g1i1": 0.6, "g1i2": 0.7}


def test_gains_of_steps_are_of_last_weights(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    gains, where = step_gains(plan.runs)
    assert where == TEST
    assert list(gains) == ["G=1 I=1", "G=1 I=2"]
    assert gains["G=1 I=2"] == pytest.approx(0.1)
    # Where the best weights are others, the last ones have translations of their own.
    record = plan.runs[1] / "stages" / "g1i2.json"
    row, *others = json.loads(record.read_text())
    write(record, [row | {"best_tokens": 0}, *others])
    gains, where = step_gains(plan.runs)
    assert where == VALIDATION
    assert gains["G=1 I=2"].tolist() == [[pytest.approx(0.2)], [pytest.approx(0.201)]]
    text = (plan.runs[0] / "hypotheses" / "g1i1.jsonl").read_text()
    (plan.runs[1] / "hypotheses" / "last.g1i2.jsonl").write_text(text)
    gains, where = step_gains(plan.runs)
    assert where == TEST
    assert gains["G=1 I=2"][1].tolist() == pytest.approx([0.0, -0.01, -0.02])


def test_a_stage_that_was_not_measured_is_named(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    assert values(plan.runs, "g0i0", "sample_oracle").shape == (2, 3)
    with pytest.raises(FileNotFoundError, match=r"no sample_judge of stage 'g0i0' in .*; finish these runs, or see"):
        values(plan.runs, "g0i0", "sample_judge")
    assert bleu_changes(plan.runs, "g1i2") == pytest.approx([2.0, 2.0])


def test_comparisons_are_read_by_agent(tmp_path: Path) -> None:
    report = {"train": {"final": {"kendall": 0.4, "spearman": 0.5}}}
    trial = {"steps": [{"curve": [[0, 0.5], [9, 0.4]]}], "value_report": report}
    write(tmp_path / "stages" / "oac.own.json", trial)
    assert curve_gains([tmp_path], "oac.own") == pytest.approx(-0.1)
    write(tmp_path / "stages" / "gold.own.json", {"steps": [{"curve": []}]})  # nothing passed the filter
    assert curve_gains([tmp_path], "gold.own").tolist() == [[0.0]]
    assert [each.tolist() for each in value_correlations([tmp_path], "oac.own")] == [[0.4], [0.5]]
