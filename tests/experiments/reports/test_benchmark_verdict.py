"""Which agent wins: paired by seed, corrected for their number, and said where nothing is shown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from experiments.reports.benchmark_cells import MEASURES, Cell, Run
from experiments.reports.benchmark_verdict import gains, verdict


def cell(agent: str, qualities: Sequence[float], dataset: str = "mixed-v0", base: float = 0.5) -> Cell:
    """Greedy true quality by seed; samples are 0.1 worse, and 0.05 better than at equal entropy."""
    runs = []
    for seed, quality in enumerate(qualities):
        of = {name: quality - (0.0 if name.startswith("greedy") else 0.1) for name in MEASURES}
        of["supervised at its entropy"] = quality - 0.15
        runs.append(Run(seed, "c" * 40, f"policy {seed}", base, of, 1_000, 9.0, 9.0, 4.0, True, False))
    return Cell(dataset, agent, tuple(runs), {1e-3: 0.8})


SEEDS = (0.0, 0.02, 0.04, 0.01, 0.03)  # how much better a seed's policies are, whoever trains


def test_what_seeds_share_does_not_widen_a_difference() -> None:
    known = gains({
        "filtered-bc": [cell("filtered-bc", [0.6 + each for each in SEEDS])],
        "gold": [cell("gold", [0.65 + each for each in SEEDS])],
    })  # fmt: skip
    against = known["gold"].reference
    assert against is not None
    assert (against.mean, against.low, against.high) == pytest.approx((10, 10, 10))
    start, entropy = known["gold"].start, known["gold"].entropy
    assert start is not None
    assert entropy is not None
    assert start.mean == pytest.approx(34)
    assert start.low < 34 < start.high
    assert entropy.mean == pytest.approx(10)
    assert known["filtered-bc"].reference is None


def test_only_data_sets_and_seeds_that_both_have_are_compared() -> None:
    known = gains({
        "filtered-bc": [cell("filtered-bc", [0.6, 0.6], "mixed-v0"), cell("filtered-bc", [0.9], "supervised-v0")],
        "gold": [cell("gold", [0.7, 0.8, 0.0], "mixed-v0"), cell("gold", [0.9], "improved-v0")],
    })  # fmt: skip
    against = known["gold"].reference
    assert against is not None
    assert against.mean == pytest.approx((20 + 40) / 2)


def test_a_winner_is_named_and_losers_too() -> None:
    by_agent = {
        "gold": [cell("gold", [0.8, 0.82, 0.81])],
        "filtered-bc": [cell("filtered-bc", [0.7, 0.71, 0.72])],
        "bc": [cell("bc", [0.4, 0.41, 0.43])],
    }
    text = "\n".join(verdict(gains(by_agent), list(by_agent)))
    assert "**Greedily better than `filtered-bc`: `gold`.** The best of the others is `gold`, +20.0" in text
    assert (
        "corrected for 2. Worse than `filtered-bc`: `bc`. Above the supervised policy, of which all begin, by more"
        in text
    )
    assert "by more than their interval: `gold`, `filtered-bc`.\n" in text
    assert "| filtered-bc | +42.0 [+37.0, +47.0] | - | - |" in text


def test_a_difference_within_its_interval_is_not_shown() -> None:
    by_agent = {
        "gold": [cell("gold", [0.8, 0.6, 0.7])],
        "filtered-bc": [cell("filtered-bc", [0.7, 0.69, 0.68])],
    }
    text = "\n".join(verdict(gains(by_agent), list(by_agent)))
    assert "**NOT SHOWN that any agent is greedily better than `filtered-bc`.**" in text
    assert "Worse than `filtered-bc`: none." in text


def test_one_seed_has_no_verdict() -> None:
    by_agent = {"gold": [cell("gold", [0.8])], "filtered-bc": [cell("filtered-bc", [0.7])]}
    assert verdict(gains(by_agent), ["gold", "filtered-bc"]) == [
        "No agent is held against `filtered-bc`: it and another agent are needed, on two seeds or more."
    ]
