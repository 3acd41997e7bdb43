"""Each claim's verdict from runs written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import agent_class
from experiments.paper.claims import CLAIMS, check_claims
from experiments.paper.parts import LOSSES, Plan, Spent
from experiments.paper.verdicts import Verdict
from experiments.reports.claims import CONTROL
from tests.experiments.paper.written_plan import write, write_run, written_plan

STAGES = {"g0i0": 0.5, "g1i1": 0.6, "g2i1": 0.7, "control-one-grow": 0.65}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """All parts are done."""
    plan = written_plan(tmp_path_factory.mktemp("plan"), STAGES)
    for kind in ("losses", "negative", "online", "best-of-n", "filters", "value", "refresh", "batch"):
        for part in plan.parts(kind):
            part.finish(1.0)
    for seed, run in enumerate(plan.online_runs("ppo")):
        write_run(run, seed, {"g0i0": 0.5, "g1i1": 0.3}, samples=48_000)
    stages = {"g0i0": 0.5, "bc.own": 0.45, "reward-conditioned.own": 0.52}
    stages |= {agent: 0.6 - 0.01 * place for place, agent in enumerate(f"{loss}.own" for loss in LOSSES)}
    filters = {"filtered-bc.own": 0.8, "filtered-bc.own.threshold": 0.8, "filtered-bc.own.percentile": 0.7}
    batch = {"g0i0": 0.5, "bc.own": 0.45}
    for name, trials in (("losses", stages), ("filters", filters), ("batch", batch)):
        for seed, run in enumerate(plan.compared(name)):
            write_run(run, seed, trials)
            curve = {"curve": [[0, 0.5], [9, 0.4 - 0.001 * seed]], "tokens": 9}
            write(run / "stages" / "q-bve.own.json", {"agent": "q-bve", "steps": [curve]})
            report = {"train": {"final": {"kendall": 0.4, "spearman": 0.6}}}
            write(run / "stages" / "oac.own.json", {"agent": "oac", "steps": [curve], "value_report": report})
    for seed, run in enumerate(plan.compared("value")):
        write(run / "config.json", {"sources": 10, "candidates": 4})
        final = {"kendall": 0.95 + 0.001 * seed, "spearman": 0.998 + 0.0001 * seed}
        write(
            run / "stages" / "oac.own.json", {"agent": "oac", "steps": [], "value_report": {"train": {"final": final}}}
        )
    for seed, run in enumerate(plan.refreshed_runs):
        write_run(run, seed, STAGES | {"g2i1": 0.9})  # translations are better for it
        for grow, gain in {1: -0.1, 2: 0.05 - 0.1 * seed}.items():  # but that it ranks better is not shown
            write(run / "stages" / f"refreshed-{grow}.json", {"since_first": {"difference": gain}})
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
        ("reward-conditioned", "holds"), ("refresh", "not shown"),
    ],
)  # fmt: skip
def test_finished_parts_decide(plan: Plan, name: str, word: str) -> None:
    verdict = CLAIMS[name].verdict(plan)
    assert verdict.word == word
    assert verdict.estimates
    assert CLAIMS[name].spent(plan).samples > 0


def test_values_are_told_by_default_settings_too(plan: Plan) -> None:
    estimates = CLAIMS["10"].verdict(plan).estimates
    assert estimates["Kendall"].mean == pytest.approx(0.9505)
    assert estimates["Kendall by default"].mean == pytest.approx(0.4)


def values_of(run: Path, kendall: float | None) -> None:
    report = {"train": {"final": {"kendall": kendall, "spearman": kendall}}}
    write(run / "stages" / "oac.own.json", {"agent": "oac", "steps": [], "value_report": report})


def test_values_by_default_settings_decide_nothing(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    for kind in ("losses", "value"):
        for part in plan.parts(kind):
            part.finish(1.0)
    for run in plan.compared("value"):
        values_of(run, 0.999)
    assert CLAIMS["10"].verdict(plan).word == "holds"  # oac was left out of the comparison of losses
    for run in plan.compared("losses"):
        values_of(run, None)
    verdict = CLAIMS["10"].verdict(plan)
    assert verdict.word == "holds"
    assert list(verdict.estimates) == ["Kendall", "Spearman"]
    values_of(plan.compared("value")[1], None)
    assert CLAIMS["10"].verdict(plan)[:2] == ("not shown", "values of a run are all equal, and have no ranks")


def test_a_refresh_is_told_by_grow_step(plan: Plan) -> None:
    estimates = CLAIMS["refresh"].verdict(plan).estimates
    assert {name: round(each.mean, 6) for name, each in estimates.items()} == {
        "accuracy, G=1": -0.1, "accuracy, G=2": 0.0, "greedy, G=1": 0.0, "greedy, G=2": 0.1, "samples, G=1": 0.0,
        "samples, G=2": 0.1, "nats per token, G=1": 0.0, "nats per token, G=2": 0.0,
    }  # fmt: skip


def test_a_refresh_that_trained_for_longer_shows_nothing(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    for part in plan.parts("refresh"):
        part.finish(1.0)

    def verdict(tokens: int) -> Verdict:
        for runs, spent in ((plan.runs, 500), (plan.refreshed_runs, tokens)):
            for seed, run in enumerate(runs):
                write_run(run, seed, STAGES, train_tokens=spent)
        for run in plan.refreshed_runs:
            for grow in (1, 2):
                write(run / "stages" / f"refreshed-{grow}.json", {"since_first": {"difference": 0.1}})
        return CLAIMS["refresh"].verdict(plan)

    assert "the refreshed scorer" in verdict(503).measured  # the last batch was another
    assert verdict(550).word == "not shown"
    assert "G=1 with a refresh are [" in verdict(550).measured


def test_a_refresh_that_could_not_be_compared_shows_nothing(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    for part, run in zip(plan.parts("refresh"), plan.refreshed_runs, strict=True):
        part.finish(1.0)
        write_run(run, 0, STAGES)
        for grow in (1, 2):
            write(run / "stages" / f"refreshed-{grow}.json", {"since_first": None})
    verdict = CLAIMS["refresh"].verdict(plan)
    assert verdict.word == "not shown"
    assert "too few sources" in verdict.measured


def test_online_rl_is_told_with_its_samples_and_beside_bc_on_all_of_the_batch(plan: Plan) -> None:
    verdict = CLAIMS["5"].verdict(plan)
    assert list(verdict.estimates) == ["G=1 above ppo", "ppo above G=1 I=0"]
    assert verdict.measured.endswith("samples, of 48,000: ppo 48,000")


def test_the_control_is_told_beside_the_losses_and_is_no_variant(plan: Plan) -> None:
    assert all(agent_class(loss).filters for loss in LOSSES)
    assert CONTROL not in LOSSES
    verdict = CLAIMS["3"].verdict(plan)  # holds, though the control is below supervised BC
    assert verdict.estimates["G=1 I=0"].mean == pytest.approx(-0.05)
    assert list(CLAIMS["7"].verdict(plan).estimates) == ["G=1", "G=2", *LOSSES, "G=2 less G=1"]


def test_seeds_that_are_not_planned_count_in_no_claim(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    (part,) = plan.parts("losses")
    part.finish(1.0)
    for seed, reward in enumerate((0.6, 0.6, 0.1)):
        folder = part.out / f"seed{seed}"
        write_run(folder, seed, {"g0i0": 0.5, **{f"{agent}.own": reward for agent in (CONTROL, *LOSSES)}})
    assert CLAIMS["3"].verdict(plan).estimates["gold"].mean == pytest.approx(0.1)
    assert plan.spent("losses") == Spent(40, 0)


def test_a_run_without_the_second_grow_step_shows_nothing_of_it(tmp_path: Path) -> None:
    verdict = CLAIMS["2"].verdict(written_plan(tmp_path, {"g0i0": 0.5, "g1i1": 0.6}))
    assert verdict.word == "not shown"
    assert "no Improve step of Grow step 2 in" in verdict.measured


def test_an_agent_that_a_comparison_left_out_decides_nothing(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    for kind in ("losses", "negative"):
        for part in plan.parts(kind):
            part.finish(1.0)
    for seed, folder in enumerate(plan.compared("losses")):
        write_run(folder, seed, {"g0i0": 0.5, "filtered-bc.own": 0.6})
    verdict = CLAIMS["4"].verdict(plan)
    assert verdict.word == "not shown"
    assert verdict.measured.startswith("no sample_reward of stage 'bvmpo.own' in ")
    assert verdict.measured.endswith("; finish these runs, or see their warnings")
    assert CLAIMS["q-bve"].verdict(plan).word == "not shown"


def test_missing_parts_are_named(tmp_path: Path) -> None:
    alone = written_plan(tmp_path, STAGES)
    assert CLAIMS["5"].verdict(alone) == (
        "not run",
        "needs BC on all of the batch for as many tokens as ReST, online RL",
        {},
    )
    assert CLAIMS["7"].verdict(alone) == ("not run", "needs the comparison of losses", {})
    assert CLAIMS["2"].verdict(alone).word == "holds"
    nothing = Plan("lowres", tmp_path / "empty", (0, 1))
    assert CLAIMS["3"].verdict(nothing).measured == "needs whole runs of ReST with all arms, the comparison of losses"


def test_a_claim_that_the_paper_does_not_make_is_refused() -> None:
    check_claims(["1", "q-bve"])
    with pytest.raises(ValueError, match="there is no claim '11'; the paper's are 1 to 10, its negative results"):
        check_claims(["3", "11"])
