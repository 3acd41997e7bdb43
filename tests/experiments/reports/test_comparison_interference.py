"""Which agents of a comparison were fooled, of translations written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.reports.comparison_entry import Entry
from experiments.reports.comparison_interference import agent_interference
from experiments.reports.guard_counts import RunGuards
from seq2seq_env.scorers import Guards

NOISE = np.random.default_rng(0).normal(0, 0.05, (2, 40))
NOISE -= NOISE.mean(axis=1, keepdims=True)  # so that seeds differ by nothing


def entry(name: str, reward: float, oracle: float | None, text: str = "one red house") -> Entry:
    """An agent of two seeds, whose measures differ from the supervised policy's by so much."""
    lines = {}
    for seed in range(2):
        rows: list[dict[str, Any]] = []
        for source in range(40):
            scores = {"greedy_reward": 0.5 + reward + NOISE[seed, source] * (reward != 0)}
            scores |= (
                {} if oracle is None else {"greedy_oracle": 0.5 + oracle + NOISE[1 - seed, source] * (oracle != 0)}
            )
            texts = dict.fromkeys(("greedy", "sample"), text)
            rows.append({"source": f"Haus {source}", "reference": "one red house", **texts, **scores})
        lines[seed] = rows
    return Entry(name, {seed: {} for seed in lines}, lines)


def test_agents_that_were_fooled_are_named_first() -> None:
    guards = RunGuards(Guards({"empty": (-np.inf, np.inf), "repetition": (-np.inf, 0.5)}), "Two rules.")
    agents = [entry("bc", 0.1, 0.1), entry("dpo", 0.2, -0.2, "house house house house"), entry("awr", -0.1, -0.1)]
    seen = agent_interference(agents, entry("supervised BC", 0, 0), guards)
    assert {name: each.verdict for name, each in seen.verdicts.items()} == {
        "bc": "not seen", "dpo": "hacked", "awr": "not seen"
    }  # fmt: skip
    (sentence,) = seen.sentence()
    assert sentence.startswith("Reward hacking: hacked by dpo. Since supervised BC the learned reward changes by +0.2")
    assert seen.hits["dpo", "greedy"] == {"empty": 0, "repetition": 80, "any": 80}
    assert seen.hits["bc", "sample"]["any"] == 0
    page = seen.parts()
    assert page[2].splitlines()[0].startswith("| agent | learned reward | true quality | chrF | length")
    assert [line.split(" | ")[-1] for line in page[2].splitlines()[2:]] == ["not seen |", "hacked |", "not seen |"]
    assert page[4] == "Test translations of all seeds that break a rule. Two rules."
    assert seen.record()["guards"][2] == {"agent": "bc", "decode": "greedy", "empty": 0, "repetition": 0, "any": 0}


@pytest.mark.parametrize(
    ("agents", "sentence"),
    [
        ([], []),
        ([entry("bc", 0.1, 0.1)], ["Reward hacking: not seen with any agent."]),
        ([entry("bc", 0.1, None)], ["Reward hacking: cannot tell of bc, whose reward rises; give a --judge of another "
                                    "make than the scorer."]),
    ],
)  # fmt: skip
def test_others_are_not_accused(agents: list[Entry], sentence: list[str]) -> None:
    oracle = None if agents and "greedy_oracle" not in agents[0].translations[0][0] else 0.0
    assert agent_interference(agents, entry("supervised BC", 0, oracle)).sentence() == sentence
