"""Parts of the reproduction: their commands, when they are done, what they took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments import compare_agents, growing_batch, online
from experiments.paper.given_runs import check_alike, link, places_of
from experiments.paper.parts import REGIMES, Plan, Spent
from experiments.runs.script import options
from tests.experiments.paper.written_plan import SEEDS, write, write_run, written_plan

STAGES = {"g0i0": 0.8, "g1i1": 0.85, "control-filtered-g1i1": 0.8, "control-filtered": 0.8}


def test_a_part_is_done_by_its_own_command_alone(tmp_path: Path) -> None:
    plan = Plan("noisy", tmp_path / "noisy", SEEDS)
    first, second = plan.parts("rest")
    assert first.arguments[:4] == ("--preset", "phrasebook-noisy", "--seed", "0")
    assert not first.is_done
    first.finish(2.0)
    assert first.is_done
    assert not plan.is_done("rest")
    second.finish(3.0)
    assert plan.is_done("rest")
    (losses,) = plan.parts("losses")
    losses.finish(1.0)
    assert plan.is_done("losses")
    assert not Plan("noisy", tmp_path / "noisy", (0, 1, 2)).is_done("losses")  # of three seeds


def test_a_part_has_the_growth_of_its_regime_where_the_script_would_have_another() -> None:
    growth = ("--sources", "4000", "--candidates", "2")
    for kind in ("losses", "negative"):
        (noisy,), (lowres,) = (Plan(name, Path(name), SEEDS).parts(kind) for name in ("noisy", "lowres"))
        assert noisy.arguments[-6:-2] == growth
        assert not {"--sources", "--candidates"} & {*lowres.arguments}


@pytest.mark.parametrize("regime", list(REGIMES))
def test_bc_on_all_of_the_batch_trains_as_long_as_the_first_grow_step(regime: str) -> None:
    plan = Plan(regime, Path(regime), SEEDS)
    rest = options(growing_batch.Config, plan.parts("rest")[0].arguments)
    (part,) = plan.parts("batch")
    batch = options(compare_agents.Config, part.arguments)
    assert batch.improve.max_tokens == rest.improve_steps * rest.improve.max_tokens
    assert batch.improve.learning_rate == rest.improve.learning_rate
    assert batch.improve.evaluate_every == rest.improve.evaluate_every
    assert batch.agents == ("bc",)


@pytest.mark.parametrize(("regime", "samples"), [("lowres", 48_000), ("clean", 12_000), ("domain", 48_000)])
def test_online_rl_looks_on_until_its_samples_are_drawn(regime: str, samples: int) -> None:
    plan = Plan(regime, Path(regime), SEEDS)
    assert plan.online_samples == samples
    for part in plan.parts("online"):
        training = options(online.Config, part.arguments)
        assert training.max_samples == samples
        looks = training.improve.max_tokens / training.improve.evaluate_every
        assert training.improve.patience > looks


def test_finished_runs_take_the_places_of_others(tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path / "out" / "lowres", SEEDS)
    folders = [write_run(tmp_path / f"run{seed}", seed, STAGES) for seed in SEEDS]
    planned: dict[str, Any] = {"sources": 10, "candidates": 2, "grow_steps": 2, "seed": 5, "engine": "auto"}
    places = places_of(folders, [plan], lambda _: planned)
    assert list(places) == plan.runs
    link(places)
    link(places)
    assert plan.is_done("rest")
    assert plan.spent("rest") == Spent(80, 30)
    other = write_run(tmp_path / "other", 0, STAGES)
    with pytest.raises(FileExistsError, match="holds another run than"):
        places_of([other], [plan], lambda _: planned)
    with pytest.raises(ValueError, match=r"is a run of regime 'lowres' and seed 7, which is not planned; give"):
        places_of([write_run(tmp_path / "seventh", 7, STAGES)], [plan], lambda _: planned)
    with pytest.raises(FileNotFoundError, match=r"no results\.json in .*; name finished runs"):
        places_of([tmp_path], [plan], lambda _: planned)


def test_a_link_to_a_run_that_is_gone_is_not_done_and_is_replaced(tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path / "out" / "lowres", SEEDS)
    runs = [write_run(tmp_path / f"run{seed}", seed, STAGES) for seed in SEEDS]
    link(dict(zip(plan.runs, runs, strict=True)))
    runs[0].rename(tmp_path / "elsewhere")
    assert [part.is_done for part in plan.parts("rest")] == [False, True]
    link(places_of([tmp_path / "elsewhere"], [plan], lambda _: {}))
    assert plan.is_done("rest")
    (losses,) = plan.parts("losses")
    write(tmp_path / "compared" / "comparison.json", {})
    losses.out.symlink_to(tmp_path / "compared")
    assert losses.is_done
    (tmp_path / "compared").rename(tmp_path / "gone")
    assert not losses.is_done


def test_two_runs_of_one_seed_are_refused(tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path / "out" / "lowres", SEEDS)
    runs = [write_run(tmp_path / name, 0, STAGES) for name in ("first", "second")]
    with pytest.raises(ValueError, match=r"first' and '.*second' are both of regime 'lowres' and seed 0; name one of"):
        places_of(runs, [plan], lambda _: {})


@pytest.mark.parametrize("name", ["task_fingerprint", "scorer_fingerprint"])
def test_runs_of_two_versions_are_no_pairs(name: str, tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path / "out" / "lowres", SEEDS)
    old, new, unknown = {name: "old"}, {name: "new", "start": "elsewhere"}, {"sources": 10}
    first = write_run(tmp_path / "first", 0, STAGES, options=old)
    second = write_run(tmp_path / "second", 1, STAGES, options=new)
    with pytest.raises(
        ValueError, match=rf"second' has {name} 'new' and '.*first' 'old', .*; name runs of one version"
    ):
        places_of([first, second], [plan], lambda _: {})
    (losses,), (ppo, _) = plan.parts("losses"), plan.parts("online")
    for part, place in ((losses, losses.out / "seed1"), (ppo, ppo.out)):
        write(place / "config.json", new)
        link(places_of([first], [plan], lambda _: {}))
        check_alike(plan)
        part.finish(1.0)
        for check in (lambda: check_alike(plan), lambda: places_of([first], [plan], lambda _: {})):
            with pytest.raises(
                ValueError, match=rf"seed\d' has {name} 'new' and '.*' 'old', so that their rows are no"
            ):
                check()
        write(place / "config.json", unknown)
        check_alike(plan)


def test_a_run_of_another_configuration_is_not_the_claims(tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path / "out" / "lowres", SEEDS)
    planned = {"agent": "filtered-bc", "improve": {"max_tokens": 9, "schedule": "linear"}, "sources": 10}
    start = {"start": "elsewhere", "task_fingerprint": "of then"}
    other = {"agent": "dpo", "improve": {"max_tokens": 8}, "task_options": {"regime": "lowres-v1", "max_tokens": "9"}}
    same = write_run(tmp_path / "same", 0, STAGES, options=planned | start)
    assert places_of([same], [plan], lambda _: planned) == {plan.runs[0]: same}
    run = write_run(tmp_path / "run", 0, STAGES, options=other)
    with pytest.raises(ValueError, match="is another run than the claims need") as refused:
        places_of([run], [plan], lambda _: planned)
    for phrase in ("agent is 'dpo', not 'filtered-bc'", "improve.max_tokens is 8, not 9", "task_options.max_tokens"):
        assert phrase in str(refused.value)
    assert "regime" not in str(refused.value)


def test_runs_must_differ_by_their_seed_alone(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, STAGES)
    check_alike(plan)
    write(plan.runs[1] / "config.json", {"seed": 1, "sources": 11, "an option of today": True})
    with pytest.raises(ValueError, match=r"seed0' and '.*seed1' differ in sources; name runs of one configuration"):
        check_alike(plan)


def test_what_a_comparison_took_is_of_the_agents_that_were_asked_for(tmp_path: Path) -> None:
    plan = Plan("lowres", tmp_path, SEEDS)
    for seed in plan.compared("losses"):
        write(seed / "config.json", {"sources": 10, "candidates": 4})
        for agent, prepare in {"oac": {"prepare_tokens": 5}, "q-bve": {}}.items():
            trial = {"agent": agent, "steps": [{"tokens": 7}, {"tokens": 8}], **prepare}
            write(seed / "stages" / f"{agent}.own.json", trial)
    assert plan.spent("losses") == Spent(80, 40)
    assert plan.spent("negative") == Spent(80, 30)
    write(tmp_path / "best-of-n" / "best-of-n.json", {"runs": 2, "sources": 3, "curves": [{"samples": 4}] * 2})
    assert str(plan.spent("best-of-n")) == "48 samples, 0.0 M tokens"
