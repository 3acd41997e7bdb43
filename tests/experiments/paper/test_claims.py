"""Each claim's verdict from runs written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.paper.claims import CLAIMS, check_claims
from experiments.paper.parts import LOSSES, Plan
from tests.experiments.paper.written_plan import write, write_run, written_plan

STAGES = {"g0i0": 0.5, "g1i1": 0.6, "g2i1": 0.7, "control-one-grow": 0.65}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """All parts are done."""
    plan = written_plan(tmp_path_factory.mktemp("plan"), STAGES)
    for kind in ("losses", "negative", "online", "best-of-n", "filters", "value"):
        for part in plan.parts(kind):
            part.finish(1.0)
    for seed, run in enumerate(plan.online_runs("ppo")):
        write_run(run, seed, {"g0i0": 0.5, "g1i1": 0.4}, samples=30)
    gain = {"sample_reward_gain": [0.1, 0.05, 0.15, 0.0]}
    difference = {"sample_reward": [-0.1, -0.15, -0.05, 0.0]}
    others = dict.fromkeys(("bvmpo", "gold (filtered data)", "oac"), difference)
    comparison = {"agents": dict.fromkeys((*LOSSES, "q-bve"), gain), "same_data": others}
    write(plan.folder / "losses" / "comparison.json", comparison)
    stages = {f"{agent}.own": 0.55 for agent in LOSSES} | {"reward-conditioned.own": 0.52}
    filters = {"filtered-bc.own": 0.8, "filtered-bc.own.threshold": 0.8, "filtered-bc.own.percentile": 0.7}
    for name, trials in (("losses", stages), ("filters", filters)):
        for seed, run in enumerate(plan.compared(name)):
            write_run(run, seed, trials)
            curve = {"curve": [[0, 0.5], [9, 0.4 - 0.001 * seed]], "tokens": 9}
            write(run / "stages" / "q-bve.own.json", {"agent": "q-bve", "steps": [curve]})
    for seed, run in enumerate(plan.compared("value")):
        write(run / "config.json", {"sources": 10, "candidates": 4})
        final = {"kendall": 0.95 + 0.001 * seed, "spearman": 0.995 + 0.001 * seed}
        write(
            run / "stages" / "oac.own.json", {"agent": "oac", "steps": [], "value_report": {"train": {"final": final}}}
        )
    curve = {"name": "G=2 I=1", "samples": 256, "reward_by_run": {"1": [0.7, 0.71], "256": [0.9, 0.92]}}
    worth = {"name": "G=2 I=1", "few": 8, "number": 49.0, "low": 23.0, "high": 117.0}
    spread = {
        "bands": [{"low": 0.0, "high": 0.25, "deviation": 0.2, "ends": [0.1, 0.3]}],
        "difference": {"mean": 0.1, "low": 0.05, "high": 0.2, "p": None},
    }
    record = {
        "runs": 2,
        "sources": 3,
        "samples": 256,
        "curves": [curve],
        "equal": {"reward": [worth]},
        "spread": spread,
    }
    write(plan.folder / "best-of-n" / "best-of-n.json", record)
    return plan


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("1", "holds"), ("2", "holds"), ("3", "holds"), ("4", "holds"), ("5", "holds"), ("6", "does not hold"),
        ("7", "does not hold"), ("8", "holds"), ("9", "does not hold"), ("10", "holds"), ("q-bve", "holds"),
        ("reward-conditioned", "holds"),
    ],
)  # fmt: skip
def test_finished_parts_decide(plan: Plan, name: str, word: str) -> None:
    verdict = CLAIMS[name].verdict(plan)
    assert verdict.word == word
    assert verdict.estimates
    assert CLAIMS[name].spent(plan).samples > 0


def test_an_agent_that_a_comparison_left_out_decides_nothing(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    for kind in ("losses", "negative"):
        for part in plan.parts(kind):
            part.finish(1.0)
    write(plan.folder / "losses" / "comparison.json", {"agents": {}, "same_data": {}})
    verdict = CLAIMS["4"].verdict(plan)
    assert verdict.word == "not shown"
    assert verdict.measured == "comparison 'losses' left out bvmpo, gold, oac; see its warnings"
    assert CLAIMS["q-bve"].verdict(plan).word == "not shown"


def test_missing_parts_are_named(tmp_path: Path) -> None:
    alone = written_plan(tmp_path, STAGES)
    assert CLAIMS["5"].verdict(alone) == ("not run", "needs online RL", {})
    assert CLAIMS["2"].verdict(alone).word == "holds"
    nothing = Plan("lowres", tmp_path / "empty", (0, 1))
    assert CLAIMS["3"].verdict(nothing).measured == "needs whole runs of ReST with all arms, the comparison of losses"


def test_a_claim_that_the_paper_does_not_make_is_refused() -> None:
    check_claims(["1", "q-bve"])
    with pytest.raises(ValueError, match="there is no claim '11'; the paper's are 1 to 10, and its negative results"):
        check_claims(["3", "11"])
