"""Online agents on a decision process solved by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import OnPolicy, RolloutConfig, Seq2SeqPolicy, make_agent
from tests.agents.tabular.process import REWARDS, TRAINING, probabilities


class TableScorer:
    """The reward of every sequence; 0 of what is none of them."""

    fingerprint = "table-1"
    known: ClassVar[dict[str, float]] = {"one one": 0.2, "one two": 1.0, "two one": 0.4, "two two": 0.4}

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.known.get(text, 0.0) for text in hypotheses], dtype=np.float32)


@pytest.mark.parametrize(("name", "tokens"), [("ppo", 18_000), ("rloo", 9_000), ("grpo", 9_000), ("mad", 9_000)])
def test_online_agents_find_the_best_sequence(behaviour: Seq2SeqPolicy, name: str, tokens: int) -> None:
    agent = make_agent(name, behaviour.clone())
    learner = OnPolicy(agent, ["eins"], TableScorer(), RolloutConfig(sources=1, candidates=32, temperature=1.0))
    learner.improve(replace(TRAINING, learning_rate=3e-3 if name == "ppo" else 5e-3, max_tokens=tokens))
    assert agent.translate(["eins"]) == ["one two"]
    assert probabilities(agent.policy)["ot"] > 0.8


def test_a_heavy_kl_penalty_has_an_optimum_of_its_own(behaviour: Seq2SeqPolicy) -> None:
    beta = 0.5
    agent = make_agent("rloo", behaviour.clone(), beta=beta)
    learner = OnPolicy(agent, ["eins"], TableScorer(), RolloutConfig(sources=1, candidates=64, temperature=1.0))
    learner.improve(replace(TRAINING, max_tokens=24_000))
    # pi_0 exp(R / beta), normalised, with pi_0 the same for all four
    weight = {name: math.exp(reward / beta) for name, reward in REWARDS.items()}
    expected = {name: each / sum(weight.values()) for name, each in weight.items()}
    assert probabilities(agent.policy) == pytest.approx(expected, abs=0.06)
