"""Rank correlations of off-policy estimates, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.reports.policy_estimates import PolicyEstimates, few_effective, mean_spearman, rank_correlations


def policy(dataset: str, place: int, oracle: float, estimate: float, effective: float = 20.0) -> PolicyEstimates:
    return PolicyEstimates(dataset, "bc", place, 1e-3, oracle, 2 * oracle, {"fitted Q": estimate}, effective, 100)


def test_ranks_are_compared_within_a_data_set_and_data_sets_count_alike() -> None:
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with d = (0, 1, 1): 1 - 12 / 24.
    assert mean_spearman({"a": np.array([[1.0, 1.0], [2.0, 2.0]] * 20)}).low == pytest.approx(1.0)
    same, half = np.array([[1, 10], [2, 20], [3, 30]]), np.array([[1.0, 1], [2, 3], [3, 2]])
    assert mean_spearman({"a": half}).value == pytest.approx(0.5)
    assert mean_spearman({"a": half, "b": same}).value == pytest.approx(0.75)
    assert mean_spearman({"a": half, "b": np.ones((3, 2))}).value == pytest.approx(0.25)


def test_every_estimator_is_compared_with_both_truths() -> None:
    policies = [policy("a", place, place / 10, place / 20, effective=place) for place in range(8, 13)]
    policies += [policy("a", 3, 0.9, math.nan), policy("small", 0, 0.1, 0.9)]
    correlations = rank_correlations(policies)
    assert correlations["fitted Q"]["oracle"].value == pytest.approx(1.0)
    assert correlations["fitted Q"]["reward"].value == pytest.approx(1.0)
    assert correlations["learned reward of fresh samples"].keys() == {"oracle"}
    assert [each.seed for each in few_effective(policies)] == [8, 9]
    unknown = [policy("b", seed, seed / 10, math.nan) for seed in range(4)] + [policy("b", 5, 0.5, 0.5)]
    assert rank_correlations(policies + unknown)["fitted Q"]["oracle"].value == pytest.approx(1.0)
    assert math.isnan(rank_correlations(unknown)["fitted Q"]["oracle"].value)
    assert rank_correlations(policies[:2]) == {}
