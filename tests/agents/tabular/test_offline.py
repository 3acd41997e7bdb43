"""Every agent that learns from stored trajectories, on a decision process solved by hand; and that all are here."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import AGENTS, BC, BVE, DPO, DPOConfig, Seq2SeqPolicy, ValueNetwork, fit, make_agent
from buffers import Slice, Threshold
from seq2seq_env.tasks.task import Task
from tests.agents.tabular.process import (
    ONE,
    REWARDS,
    SEQUENCES,
    TRAINING,
    TRANSITIONS,
    TWO,
    VALUE,
    improved,
    improved_in_groups,
    probabilities,
    tabular,
    values,
)


def test_behaviour_cloning_recovers_the_behaviour(behaviour: Seq2SeqPolicy) -> None:
    assert probabilities(behaviour) == pytest.approx(dict.fromkeys(SEQUENCES, 0.25), abs=0.02)


def test_filtered_behaviour_cloning_is_the_behaviour_given_that_it_passes(
    behaviour: Seq2SeqPolicy, data: Slice
) -> None:
    for tau, expected in ((0.3, {"oo": 0, "ot": 1 / 3, "to": 1 / 3, "tt": 1 / 3}), (0.5, {"ot": 1})):
        agent = improved("filtered-bc", behaviour, data.select(Threshold(tau)))
        found = probabilities(agent.policy)
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("td_lambda", [1.0, 0.5, 0.0])
def test_behaviour_value_estimation_finds_the_value_of_the_behaviour(
    behaviour: Seq2SeqPolicy, data: Slice, td_lambda: float
) -> None:
    value = ValueNetwork.from_policy(behaviour)
    fit(BVE(value, td_lambda), data, replace(TRAINING, max_tokens=30_000))
    # Before the first token, before the second, before the end.
    expected = {"oo": [0.5, 0.6, 0.2], "ot": [0.5, 0.6, 1.0], "to": [0.5, 0.4, 0.4], "tt": [0.5, 0.4, 0.4]}
    for name, found in values(value, data).items():
        assert found == pytest.approx(expected[name], abs=0.03)


def test_awr_weighs_by_the_exponential_of_the_advantage(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    beta = 0.5
    agent = improved("awr", behaviour, data, beta=beta, **VALUE)
    # Weights of the first token: its sequences' exp((R - 0.5) / beta); of the second: exp((R - Q) / beta).
    first = {name: math.exp((reward - 0.5) / beta) for name, reward in REWARDS.items()}
    one = (first["oo"] + first["ot"]) / sum(first.values())
    second = {name: math.exp((REWARDS[name] - 0.6) / beta) for name in ("oo", "ot")}
    two = second["ot"] / sum(second.values())
    found = probabilities(agent.policy)
    assert found["oo"] + found["ot"] == pytest.approx(one, abs=0.04)
    assert found["ot"] / (found["oo"] + found["ot"]) == pytest.approx(two, abs=0.04)


@pytest.mark.parametrize("target_rate", [1.0, 0.05])
def test_iql_values_the_better_actions(behaviour: Seq2SeqPolicy, data: Slice, target_rate: float) -> None:
    agent = make_agent("iql", behaviour.clone(), expectile=0.7, beta=1.0, value_tokens=0, target_rate=target_rate)
    # The value's target is the value itself: a few more steps.
    agent.improve(data, replace(TRAINING, max_tokens=30_000))
    found = values(agent.value, data)  # type: ignore[attr-defined]
    # The expectile m of two equally likely values a < b: 0.3 (m - a) = 0.7 (b - m).
    after_one = 0.3 * 0.2 + 0.7 * 1.0
    start = 0.3 * 0.4 + 0.7 * after_one
    assert found["ot"] == pytest.approx([start, after_one, 1.0], abs=0.02)
    assert found["tt"] == pytest.approx([start, 0.4, 0.4], abs=0.02)
    # Its policy: exp(Q - V) of the two first tokens, then of the two second ones.
    chances = probabilities(agent.policy)
    assert chances["oo"] + chances["ot"] == pytest.approx(1 / (1 + math.exp(0.4 - after_one)), abs=0.02)
    assert chances["ot"] / (chances["oo"] + chances["ot"]) == pytest.approx(1 / (1 + math.exp(-0.8)), abs=0.02)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("oac", {**VALUE, "behaviour_temperature": 1.0}),
        ("oac", {**VALUE, "advantage": "one-step", "behaviour_temperature": 1.0}),
        ("bvmpo", {**VALUE, "behaviour_temperature": 1.0}),
    ],
)
def test_actor_critics_reach_the_optimum(
    behaviour: Seq2SeqPolicy, data: Slice, name: str, options: dict[str, object]
) -> None:
    agent = make_agent(name, behaviour.clone(), **options)
    # Larger steps let a policy gradient on fixed data diverge: nothing new is sampled where it went wrong.
    agent.improve(data, replace(TRAINING, learning_rate=1e-3))
    assert probabilities(agent.policy)["ot"] > 0.5
    assert agent.translate(["eins"]) == ["one two"]


def test_a_heavy_prior_keeps_bvmpo_at_the_behaviour(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    heavy = {"prior_first": 1e3, "prior_last": 1e3, "behaviour_temperature": 1.0}
    agent = improved("bvmpo", behaviour, data, **heavy, **VALUE)
    assert probabilities(agent.policy) == pytest.approx(dict.fromkeys(SEQUENCES, 0.25), abs=0.05)


def test_gold_seeks_what_the_supervised_model_finds_likely(tiny_task: Task, behaviour: Seq2SeqPolicy) -> None:
    counts = {"oo": 4, "ot": 16, "to": 4, "tt": 8}
    data = tabular(counts, tiny_task.tokenizer.pad_id)
    policy = behaviour.clone()
    BC(policy).improve(data, TRAINING)
    assert probabilities(policy)["ot"] == pytest.approx(0.5, abs=0.05)
    agent = improved("gold", policy, data, u=0.0, baseline=-2.0)
    assert probabilities(agent.policy)["ot"] > 0.8  # the mode, above its share of the data


@pytest.mark.parametrize(
    ("name", "options"),
    [("d3rlpy-bcq", {"target_update_interval": 10}), ("d3rlpy-cql", {"target_update_interval": 10, "alpha": 0.05})],
)
def test_q_learning_finds_the_best_sequence(
    behaviour: Seq2SeqPolicy, data: Slice, name: str, options: dict[str, object]
) -> None:
    agent = make_agent(name, behaviour.clone(), **options)
    agent.improve(data, TRANSITIONS)
    assert agent.translate(["eins"]) == ["one two"]


def test_d3rlpy_clones_the_behaviour(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = make_agent("d3rlpy-bc", behaviour.clone())
    agent.improve(data.select(Threshold(0.3)), TRANSITIONS)
    found = probabilities(agent.policy)
    assert found == pytest.approx({"oo": 0.0, "ot": 1 / 3, "to": 1 / 3, "tt": 1 / 3}, abs=0.05)


def test_dpo_prefers_the_best_to_the_worst(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    beta = 0.5
    agent = DPO(behaviour.clone(), DPOConfig(beta=beta, rpo_alpha=0.0))  # "dpo"
    agent.improve(data, replace(TRAINING, max_tokens=1_000))
    before, after = probabilities(behaviour), probabilities(agent.policy)
    assert after["ot"] / after["oo"] > 2 * before["ot"] / before["oo"]
    ratio = {name: math.log(after[name] / before[name]) for name in ("ot", "oo")}
    (batch,) = agent.batches(data, 10_000, 0)
    expected = -math.log(1 / (1 + math.exp(-beta * (ratio["ot"] - ratio["oo"]))))
    with torch.no_grad():
        assert float(agent.loss(batch)[0]) == pytest.approx(expected, abs=1e-3)


def test_cpo_prefers_the_best_to_the_worst_without_a_reference_policy(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = make_agent("cpo", behaviour.clone(), alpha=0.0, beta=0.5)
    agent.improve(data, replace(TRAINING, max_tokens=1_000))
    after = probabilities(agent.policy)
    assert after["ot"] / after["oo"] > 2
    (batch,) = agent.batches(data, 10_000, 0)  # type: ignore[attr-defined]
    expected = math.log(1 + (after["oo"] / after["ot"]) ** 0.5)
    with torch.no_grad():
        assert float(agent.loss(batch)[0]) == pytest.approx(expected, abs=1e-3)  # type: ignore[attr-defined]


def test_ipo_stops_at_its_target(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved_in_groups("ipo", behaviour, data, tau=0.25)
    before, after = probabilities(behaviour), probabilities(agent.policy)
    ratio = math.log(after["ot"] / before["ot"]) - math.log(after["oo"] / before["oo"])
    assert ratio == pytest.approx(1 / (2 * 0.25), abs=0.02)


def test_kto_raises_the_best_and_lowers_the_worst(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved_in_groups("kto", behaviour, data, beta=1.0)
    before, after = probabilities(behaviour), probabilities(agent.policy)
    assert after["ot"] > 2 * before["ot"]
    assert after["oo"] < before["oo"] / 10


def test_slic_stops_at_its_margin(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved_in_groups("slic", behaviour, data, delta=2.0, nll_weight=0.0)
    after = probabilities(agent.policy)
    assert 2.0 <= math.log(after["ot"] / after["oo"]) < 4.0  # a pair goes a little further by its momentum
    assert improved_in_groups("slic", behaviour, data).translate(["eins"]) == ["one two"]


def test_reward_weights_are_the_share_of_the_reward(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved("rwr", behaviour, data)
    assert probabilities(agent.policy) == pytest.approx(
        {name: reward / 2 for name, reward in REWARDS.items()}, abs=0.03
    )


def test_boltzmann_weights_are_the_optimum_under_a_penalty(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved("boltzmann", behaviour, data, beta=0.5, most_candidates=32)
    weight = {name: math.exp(reward / 0.5) for name, reward in REWARDS.items()}
    total = sum(weight.values())
    expected = {name: each / total for name, each in weight.items()}
    assert probabilities(agent.policy) == pytest.approx(expected, abs=0.03)


def test_minimum_risk_reaches_the_optimum(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    # Of what the policy writes among the candidates: nothing holds the rest of its probability on them.
    for alpha in (1.0, 0.1):
        after = probabilities(improved_in_groups("mrt", behaviour, data, alpha=alpha).policy)
        assert after["ot"] / sum(after.values()) > 0.9


def test_importance_weights_are_1_at_the_behaviour(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = make_agent("iw-sft", behaviour.clone(), behaviour_temperature=1.0)
    (batch,) = agent.batches(data, 10_000, 0)  # type: ignore[attr-defined]
    assert float(agent.loss(batch).weight) == pytest.approx(1.0, abs=0.05)  # type: ignore[attr-defined]
    agent.improve(data.select(Threshold(0.3)), replace(TRAINING, max_tokens=6_000))
    chances = probabilities(agent.policy)
    assert chances["oo"] < 0.05
    assert sum(chances.values()) > 0.9  # of the others, whichever gets ahead


def test_action_values_are_the_behaviours_and_the_policy_is_greedy(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = make_agent("q-bve", behaviour.clone(), q_temperature=0.2, ranking_weight=0.0)
    agent.improve(data, replace(TRAINING, max_tokens=30_000))
    (batch,) = data.where(np.arange(len(data)) % 8 == 0).batches(10_000, seed=0, shuffle=False)
    with torch.no_grad():
        q = agent.policy.evaluate(batch).logits * 0.2  # [12,V], but for a constant
    q += 0.6 - q[0, ONE]
    assert q[0, [ONE, TWO]].tolist() == pytest.approx([0.6, 0.4], abs=0.05)
    assert q[1, [ONE, TWO]].tolist() == pytest.approx([0.2, 1.0], abs=0.05)
    # What the data never has, an early end say, is held below by the regulariser alone.
    assert improved("q-bve", behaviour, data).translate(["eins"]) == ["one two"]


def test_ilql_shifts_the_cloned_policy_by_the_action_values(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = make_agent("ilql", behaviour.clone(), expectile=0.7, beta=3.0, cql_weight=0.0, value_tokens=0,
                       target_rate=0.05)  # fmt: skip
    agent.improve(data, replace(TRAINING, max_tokens=30_000))
    # The value's expectiles are those of IQL; pi is 1/2 exp(3 Q) over each two tokens.
    after_one = 0.3 * 0.2 + 0.7 * 1.0
    chances = probabilities(agent.policy)
    assert chances["oo"] + chances["ot"] == pytest.approx(1 / (1 + math.exp(3 * (0.4 - after_one))), abs=0.05)
    assert chances["ot"] / (chances["oo"] + chances["ot"]) == pytest.approx(1 / (1 + math.exp(3 * -0.8)), abs=0.05)
    assert agent.translate(["eins"]) == ["one two"]


def test_conditioned_on_the_best_reward_the_best_is_written(behaviour: Seq2SeqPolicy, data: Slice) -> None:
    agent = improved("reward-conditioned", behaviour, data, buckets=4)
    assert probabilities(agent.policy)["ot"] > 0.95


def test_every_agent_is_here() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in AGENTS if f'"{name}"' not in text and name != "bc"] == []
