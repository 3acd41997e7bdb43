"""Forecasts of a run's time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import PolicyConfig
from experiments import online
from experiments.runs import forecast as forecasts
from experiments.runs.forecast import multiplications, policy_size, scoring_rate, training_rate, work
from experiments.runs.supervised import new_policy
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import COMPARING, GROWING, POLICY, TRAINING


def test_multiplications_are_counted() -> None:
    network = PolicyConfig(d_model=4, num_heads=2, encoder_layers=3, decoder_layers=2, ffn_dim=8)
    # Four projections of 4 x 4 and twice 4 x 8 in an encoder's layer, eight in a decoder's, and 4 x 10 at the end.
    assert multiplications(network, 10) == 3 * (64 + 64) + 2 * (128 + 64) + 40


def test_more_work_takes_longer(tiny_task: Task) -> None:
    one = work(GROWING, tiny_task)
    two = work(replace(GROWING, grow_steps=2), tiny_task)
    assert two["Improve"] == pytest.approx(2 * one["Improve"])
    assert one["controls, or the other agents"] == pytest.approx(len(GROWING.arms) * one["Improve"])
    assert two["supervised policy"] == one["supervised policy"] > GROWING.supervised.max_tokens
    assert two["Grow"] > one["Grow"]
    named = work(replace(GROWING, scorer="other"), tiny_task)
    assert named["scorer"] == 0
    repeated = work(replace(GROWING, estimator=replace(GROWING.estimator, repeats=2)), tiny_task)
    assert repeated["scorer"] == pytest.approx(2 * one["scorer"])


def test_a_scorer_that_was_made_before_takes_no_making(monolingual_task: Task) -> None:
    """It reads at the rate that is measured; sources that are new to it, it translates as ever."""
    config = replace(GROWING, sources=6, grow_from="source-only")
    own, made, other = (
        work(each, monolingual_task, read=0.0, made=known)
        for each, known in ((config, False), (config, True), (replace(config, scorer="other"), True))
    )
    assert own["scorer"] > made["scorer"] == 0
    assert other["Grow"] < made["Grow"] < own["Grow"]
    slow = work(config, monolingual_task, read=10.0, made=True)
    assert slow["Grow"] > made["Grow"]


@pytest.mark.parametrize("ready", ["lexical:", None])
def test_a_forecast_names_the_making_of_a_scorer_where_there_is_one(
    tiny_task: Task, monkeypatch: pytest.MonkeyPatch, ready: str | None
) -> None:
    monkeypatch.setattr(forecasts, "load_task", lambda name, **options: tiny_task)
    monkeypatch.setattr(forecasts, "ready_scorer", lambda config, task: ready)
    lines = forecasts.forecast(GROWING)
    assert any(line.startswith("scorer: ") for line in lines) == (ready is None)
    assert any(line.startswith("Grow: ") for line in lines)


def test_a_gate_translates_the_validation_sources_after_every_step(tiny_task: Task) -> None:
    free, gated = (work(replace(GROWING, gate=gate), tiny_task) for gate in ("off", "fall-back"))
    more = {name: gated[name] - tokens for name, tokens in free.items()}
    first = more.pop("supervised policy")
    assert first > 0
    assert more.pop("Improve") == pytest.approx(2 * first)
    assert not any(more.values())


def test_beam_search_takes_time_at_every_stage(tiny_task: Task) -> None:
    free, by_beam = (work(replace(GROWING, beams=beams), tiny_task) for beams in (1, 4))
    more = by_beam["supervised policy"] - free["supervised policy"]
    assert more > 0
    assert by_beam["Improve"] - free["Improve"] == pytest.approx(GROWING.improve_steps * more)


def test_only_new_sources_are_translated_by_the_scorer(monolingual_task: Task) -> None:
    config = replace(GROWING, sources=6)
    known, mixed, new = (
        work(replace(config, grow_from=where), monolingual_task)["Grow"] for where in ("train", "both", "source-only")
    )
    assert known < mixed < new
    # A quarter of the sentences that "both" draws from has no references.
    assert mixed - known == pytest.approx((new - known) / 4)


def test_a_comparison_is_seeds_times_agents(tiny_task: Task) -> None:
    one, two = (work(replace(COMPARING, seeds=seeds, start=None), tiny_task) for seeds in (1, 2))
    assert two["Improve"] == pytest.approx(2 * one["Improve"])
    assert one["controls, or the other agents"] == pytest.approx(5 * one["Improve"])
    assert one["value networks"] == 0
    options = {"oac": {"value_tokens": 1_000}}
    valued = replace(COMPARING, agents=("bc", "oac"), agent_options=options, start=None)
    assert work(valued, tiny_task)["value networks"] == COMPARING.seeds * 2 * 1_000


def test_online_training_costs_its_samples_and_their_epochs(tiny_task: Task) -> None:
    config = online.Config(sources=6, policy=POLICY, improve=replace(TRAINING, max_tokens=10**6), max_samples=60)
    few, many = (work(replace(config, max_samples=samples), tiny_task)["online training"] for samples in (600, 6_000))
    assert many > 5 * few
    once = replace(config, max_samples=6_000, agent="rloo")  # whose epoch is one
    assert work(once, tiny_task)["online training"] < many


def test_a_policys_size_is_that_of_its_matrices(tiny_task: Task) -> None:
    """So that a scorer's time beside a pretrained policy, whose sizes are no options, is told by that one's."""
    policy = new_policy(GROWING, tiny_task)
    assert policy_size(policy) == multiplications(POLICY, tiny_task.tokenizer.vocab_size)
    own, larger = (work(GROWING, tiny_task, size)["scorer"] for size in (None, 10 * policy_size(policy)))
    assert own == pytest.approx(10 * larger)


def test_rates_are_measured(tiny_task: Task, fake_scorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert training_rate(GROWING, tiny_task) > 0
    seconds = iter((1.0, 3.0))
    monkeypatch.setattr("time.perf_counter", lambda: next(seconds))
    references = tiny_task.tokenizer.encode_targets(tiny_task.split("train").references)
    assert scoring_rate(fake_scorer, tiny_task) == pytest.approx(sum(map(len, references)) / 2)


def test_a_slow_scorer_makes_growing_slow(tiny_task: Task) -> None:
    config = replace(GROWING, scorer="other")
    fast, slow = (work(config, tiny_task, read=read) for read in (0.0, 10.0))
    assert slow["Grow"] > 10 * fast["Grow"]
    assert slow["Improve"] > fast["Improve"]


def test_a_judge_reads_what_every_stage_is_measured_by(tiny_task: Task) -> None:
    config = replace(GROWING, scorer="other", beams=2)
    alone, judged = (work(config, tiny_task, judged=each) for each in (0.0, 10.0))
    more = {name: judged[name] - tokens for name, tokens in alone.items()}
    assert more["supervised policy"] > 0
    assert more["Improve"] == pytest.approx(GROWING.improve_steps * more["supervised policy"])
    assert more["Grow"] == 0


def test_a_policy_that_is_there_is_not_trained(tiny_task: Task) -> None:
    trained, given = (work(replace(GROWING, fine_tune=each), tiny_task)["supervised policy"] for each in (True, False))
    assert given < trained
    one, two = (work(replace(COMPARING, seeds=n, start=Path("x")), tiny_task)["supervised policy"] for n in (1, 2))
    assert one < two
