"""Table 1 of runs written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.paper.page import write_page
from experiments.paper.parts import Plan
from experiments.paper.table_one import table_one
from experiments.paper.verdicts import Verdict
from experiments.reports.statistics import Interval
from tests.experiments.paper.written_plan import SEEDS, write, write_run


def written(folder: Path) -> Plan:
    """Two seeds: ReST of one Grow step, the comparison's BC, and PPO."""
    plan = Plan("lowres", folder, SEEDS)
    for seed in SEEDS:
        write_run(plan.runs[seed], seed, {"g0i0": 0.5, "g1i1": 0.6, "g1i2": 0.7, "g2i1": 0.75}, seconds=3.0)
        write_run(plan.online_runs("ppo")[seed], seed, {"g0i0": 0.5, "g1i1": 0.55}, seconds=9.0, samples=7)
        compared = plan.compared("batch")[seed]
        write_run(compared, seed, {"g0i0": 0.4, "bc.own": 0.41})
        step = {"tokens": 4, "seconds": 2.0, "greedy_bleu": 49.5, "sample_nats": 0.2}
        write(compared / "stages" / "bc.own.json", {"agent": "bc", "prepare_seconds": 1.0, "steps": [step, step]})
    return plan


def test_every_arm_stands_beside_its_own_start(tmp_path: Path) -> None:
    rows = {row[0]: row[1:] for row in table_one(written(tmp_path)).cells}
    assert list(rows) == ["supervised", "G=1 I=0, BC on all of the batch", "G=1 I=2", "G=2 I=1", "ppo"]
    # Samples, gradient tokens and seconds up to the stage: twenty samples a Grow step, five tokens an Improve step.
    assert rows["G=1 I=2"][:3] == ["20", "10", "6"]
    assert rows["G=2 I=1"][:3] == ["40", "15", "9"]
    assert rows["ppo"][:3] == ["7", "5", "9"]
    assert rows["G=1 I=0, BC on all of the batch"][:3] == ["20", "8", "5"]
    gains = {name: row[3].partition(" ")[0] for name, row in rows.items()}
    assert gains == {
        "supervised": "0.505", "G=1 I=0, BC on all of the batch": "+0.010", "G=1 I=2": "+0.200", "G=2 I=1": "+0.250",
        "ppo": "+0.050",
    }  # fmt: skip
    assert rows["G=1 I=2"][6] == "+2.0 [+2.0, +2.0]"


def test_the_page_has_it_where_online_rl_was_run(tmp_path: Path) -> None:
    plan = written(tmp_path / "runs")
    verdict = Verdict("holds", "reward of samples: +0.1", {"G=1 above ppo": Interval(0.1, 0.0, 0.2, 0.04)})
    write_page(tmp_path / "page", [plan], [{"5": verdict}])
    text = (tmp_path / "page" / "paper.md").read_text()
    assert str(table_one(plan)) in text
    write_page(tmp_path / "page", [plan], [{"5": Verdict("not run", "needs online RL")}])
    assert "Table 1" not in (tmp_path / "page" / "paper.md").read_text()


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    plan = written(tmp_path)
    (plan.online_runs("ppo")[1] / "hypotheses" / "g1i1.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"no sample_reward of stage 'g1i1'"):
        table_one(plan)
