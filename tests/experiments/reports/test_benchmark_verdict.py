"""Which agent wins: paired by seed, corrected for their number, and said where nothing is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from experiments.reports.benchmark_cells import MEASURES, Cell, Run
from experiments.reports.benchmark_verdict import gains, verdict


def cell(
    agent: str,
    qualities: Sequence[float],
    dataset: str = "mixed-v0",
    base: float = 0.5,
    *,
    kept: bool = False,
    failed: Sequence[int] = (),
) -> Cell:
    """Greedy true quality by seed; samples are 0.1 worse, and 0.05 better than at equal entropy."""
    runs = []
    for seed, quality in enumerate(qualities):
        of = {name: quality - (0.0 if name.startswith("greedy") else 0.1) for name in MEASURES}
        of["supervised at its entropy"] = quality - 0.15
        runs.append(Run(
            seed=seed, commit="c" * 40, start=f"policy {seed}", base=base, quality=of, tokens=1_000,
            best_tokens=0 if kept or seed in failed else 500, value_tokens=0, training_seconds=5.0, seconds=9.0,
            cpu_seconds=9.0, network_mib=4.0, entropy_matched=True, failed=seed in failed,
        ))  # fmt: skip
    return Cell(dataset, agent, tuple(runs), {1e-3: 0.8})


SEEDS = (0.0, 0.02, 0.04, 0.01, 0.03)  # how much better a seed's policies are, whoever trains


def test_what_seeds_share_does_not_widen_a_difference() -> None:
    known = gains({
        "filtered-bc": [cell("filtered-bc", [0.6 + each for each in SEEDS])],
        "gold": [cell("gold", [0.65 + each for each in SEEDS])],
    })  # fmt: skip
    against = known["gold"].reference
    assert against is not None
    assert (against.value, against.low, against.high) == pytest.approx((10, 10, 10))
    score, entropy = known["gold"].score, known["gold"].entropy
    assert entropy is not None
    assert score.value == pytest.approx(34)
    assert score.low is not None
    assert score.low < 34
    assert entropy.value == pytest.approx(10)
    assert known["filtered-bc"].reference is None


def test_only_seeds_that_both_have_on_all_data_sets_are_compared() -> None:
    by_agent = {
        "filtered-bc": [cell("filtered-bc", [0.6, 0.6, 0.6]), cell("filtered-bc", [0.7, 0.7], "supervised-v0")],
        "gold": [cell("gold", [0.7, 0.8, 0.0]), cell("gold", [0.7, 0.8, 0.9, 0.0], "supervised-v0")],
    }
    against = gains(by_agent)["gold"].reference
    assert against is not None
    assert against.by_seed == pytest.approx((10, 30))  # of 20 and 0, and of 40 and 20
    late = by_agent["gold"][1]
    by_agent["gold"][1] = replace(late, runs=tuple(replace(run, seed=run.seed + 2) for run in late.runs))
    assert gains(by_agent)["gold"].reference is None  # and not that of mixed-v0 alone


def test_samples_whose_entropy_was_not_met_are_left_out() -> None:
    whole = cell("gold", [0.7, 0.8, 0.9])
    hotter = replace(whole.runs[0], entropy_matched=False, quality=dict.fromkeys(MEASURES, 0.0))
    cells = [replace(whole, runs=(hotter, *whole.runs[1:]))]
    known = gains({"gold": cells})["gold"].entropy
    assert known is not None
    assert known.by_seed == pytest.approx((10, 10))
    both = gains({"gold": [*cells, cell("gold", [0.7, 0.8, 0.9], "supervised-v0")]})["gold"].entropy
    assert both is not None
    assert both.by_seed == pytest.approx((10, 10))
    unmatched = replace(
        whole, dataset="other-v0", runs=tuple(replace(run, entropy_matched=False) for run in whole.runs)
    )
    assert gains({"gold": [*cells, unmatched]})["gold"].entropy is None  # and not that of the other data set


def test_a_winner_is_named_and_losers_too() -> None:
    by_agent = {
        "raft": [cell("raft", [0.75, 0.76, 0.78])],
        "gold": [cell("gold", [0.8, 0.82, 0.81])],
        "filtered-bc": [cell("filtered-bc", [0.7, 0.71, 0.72])],
        "iql": [cell("iql", [0.5, 0.5, 0.5], kept=True)],
        "bc": [cell("bc", [0.4, 0.41, 0.43])],
    }
    objective, recipe, others, kept = verdict(gains(by_agent), list(by_agent))
    assert objective.startswith("**Objectives that are greedily better than `filtered-bc`: `gold`.**")
    assert "The best is `gold`, +20.0 [+15.0, +25.0], p 0.007 corrected for 4 tests." in objective
    assert recipe.startswith("Recipes that are greedily better than `filtered-bc`: `raft`. The best is `raft`, +10.7 [")
    assert others.startswith("Worse than `filtered-bc`: `bc`. Better than the supervised policy, of which all begin: ")
    assert "begin: `raft`, `gold`, `filtered-bc`; worse than it: `bc`." in others
    assert kept.endswith("start's, 0: `iql`. All of them are worse than `filtered-bc`, p 0.002.")
    by_agent["iql"] = [cell("iql", [0.5, 0.9, 0.5], kept=True)]
    assert verdict(gains(by_agent), list(by_agent))[-1].endswith("so that the score is the start's, 0: `iql`.")


def test_a_difference_within_its_interval_is_not_shown_and_how_large_it_would_have_to_be() -> None:
    by_agent = {
        "gold": [cell("gold", [0.8, 0.6, 0.7])],
        "filtered-bc": [cell("filtered-bc", [0.7, 0.69, 0.68])],
    }
    first, others = verdict(gains(by_agent), list(by_agent))
    assert first.startswith(
        "**NOT SHOWN that any objective is greedily better than `filtered-bc`.** The best is `gold`"
    )
    # Differences 20, -18 and 4, whose mean has a standard error of 10.9; t at 2 degrees of freedom is 4.30.
    assert first.endswith("; with 3 seeds that spread so, less than 47.4 would not be shown.")
    assert "Worse than `filtered-bc`: none." in others


def test_what_would_not_be_shown_is_of_the_tests_that_holm_has_left() -> None:
    by_agent = {
        "filtered-bc": [cell("filtered-bc", [0.7, 0.7, 0.7])],
        "gold": [cell("gold", [0.8, 0.6, 0.71])],
        "bc": [cell("bc", [0.4, 0.4, 0.4])],  # is worse for certain, so that gold's p-value is not corrected
    }
    (first, *_) = verdict(gains(by_agent), list(by_agent))
    # Differences 20, -20 and 2, whose mean has a standard error of 11.56; t at 2 degrees of freedom is 4.30, not 6.21.
    assert "corrected for 2 tests; with 3 seeds that spread so, less than 49.8 would not be shown." in first


def test_runs_that_failed_have_not_moved_and_are_named() -> None:
    by_agent = {
        "filtered-bc": [cell("filtered-bc", [0.7, 0.71, 0.72])],
        "iql": [cell("iql", [0.5, 0.5, 0.5], kept=True, failed=[1])],
        "bc": [cell("bc", [0.6, 0.5, 0.61], failed=[1])],
    }
    known = gains(by_agent)
    assert [each.has_moved for each in known.values()] == [True, False, True]
    *_, kept, failed = verdict(known, list(by_agent))
    assert kept.startswith("No look in any run that did not fail was better than the start, so that the score is the")
    assert "0: `iql`." in kept
    assert failed == "Runs that failed, and count as the start, with score 0: `iql` 1 of 3; `bc` 1 of 3."


def test_one_seed_has_no_verdict() -> None:
    by_agent = {"gold": [cell("gold", [0.8])], "filtered-bc": [cell("filtered-bc", [0.7])]}
    assert verdict(gains(by_agent), ["gold", "filtered-bc"]) == [
        "No agent is held against `filtered-bc`: it and another agent are needed, on two seeds or more."
    ]
