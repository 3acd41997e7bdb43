from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.people.systems import read_systems
from experiments.runs.finished_stages import stage_name
from tests.experiments.people.written_run import SOURCES, write_run


def test_the_default_is_the_supervised_policy_the_last_step_and_the_best_control(tmp_path: Path) -> None:
    systems, sources, references = read_systems(write_run(tmp_path / "with"), None, "greedy")
    assert [system.stage for system in systems] == ["g0i0", "g1i2", "control-unfiltered"]  # by the oracle
    assert [system.name for system in systems] == ["supervised", "G=1 I=2", "unfiltered"]
    assert (sources, references) == (SOURCES, ["r"] * len(SOURCES))
    systems, *_ = read_systems(write_run(tmp_path / "without", oracle=False), None, "greedy")
    assert [system.stage for system in systems] == ["g0i0", "g1i2", "control-filtered"]  # by the reward
    assert set(systems[0].measures) == {"reward"}
    assert stage_name("equal-entropy") == "equal-entropy"


def test_of_a_gated_run_it_is_the_step_that_it_fell_back_to(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    look = run / "stages" / "gate.g1i2.json"
    for final, stages in (("g1i1", ["g0i0", "g1i1", "control-unfiltered"]), ("g0i0", ["g0i0", "control-unfiltered"])):
        look.write_text(json.dumps({"final": final}))
        assert [system.stage for system in read_systems(run, None, "greedy")[0]] == stages


def test_stages_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="keeps no test translations in hypotheses/; name a run's folder"):
        read_systems(tmp_path, None, "greedy")
    with pytest.raises(ValueError, match=r"no stage 'g1i9'; choose one of control-filtered, .*; did you mean 'g1i"):
        read_systems(run, ["g0i0", "g1i9"], "greedy")
    with pytest.raises(ValueError, match="the stages are g0i0; name two or more that differ"):
        read_systems(run, ["g0i0"], "greedy")
    with pytest.raises(ValueError, match="stage 'g0i0' has no translations by 'sample'"):
        read_systems(run, ["g0i0", "g1i1"], "sample")
    other = run / "hypotheses" / "g1i1.jsonl"
    other.write_text("".join(other.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match="'g0i0' and 'g1i1' are of different sources"):
        read_systems(run, ["g0i0", "g1i1"], "greedy")
