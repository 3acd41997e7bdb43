"""Which test sentences a report shows."""

from __future__ import annotations

from typing import Any

from experiments.reports.examples import NUM_EXAMPLES, examples, spread


def test_examples_are_spread_evenly() -> None:
    assert spread(list(range(100)), 4) == [0, 25, 50, 75]
    assert spread([3, 5], 4) == [3, 5]
    assert spread([3, 5], 0) == []


def test_what_argues_against_the_reward_comes_first() -> None:
    def row(text: str, reward: float, oracle: float) -> dict[str, Any]:
        scores = {"greedy_reward": reward, "greedy_oracle": oracle}
        return {"source": text, "reference": "r", "greedy": text, **scores}

    before = [row(f"t{number}", 0.5, 0.5) for number in range(NUM_EXAMPLES + 5)]
    after = [*before[:-1], row("hacked", 0.9, 0.1)]
    shown = examples(before, after, ("supervised", "G=1 I=1"))
    assert shown.startswith(f"1 of {NUM_EXAMPLES + 5} translations changed. The first row has the reward rise (0.50 to")
    lines = shown.splitlines()
    assert "| hacked |" in lines[4]
    assert len(lines) == 4 + NUM_EXAMPLES
