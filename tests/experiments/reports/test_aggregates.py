"""Aggregate scores, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.reports.aggregates import (
    Estimate,
    estimate,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)


def test_the_interquartile_mean_is_of_the_middle_half_of_all_runs() -> None:
    scores = {"one": np.array([-100.0, 1.0, 2.0, 3.0]), "other": np.array([4.0, 5.0, 6.0, 1000.0])}
    assert interquartile_mean(scores) == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_ties_count_half_and_data_sets_alike() -> None:
    one = {"a": np.array([1.0, 3.0]), "b": np.array([5.0]), "own": np.array([0.0])}
    other = {"a": np.array([1.0, 2.0]), "b": np.array([5.0])}
    # a: 1>1 half, 1>2 no, 3>1 yes, 3>2 yes: 2.5 / 4; b: half.
    assert probability_of_improvement(one, other) == pytest.approx((2.5 / 4 + 0.5) / 2)
    with pytest.raises(ValueError, match="own and a, b have no data set in common"):
        probability_of_improvement({"own": np.zeros(1)}, other)


def test_a_profile_is_the_share_of_runs_above() -> None:
    scores = {"a": np.array([0.0, 10.0]), "b": np.array([20.0])}
    assert performance_profile(scores, np.array([-1.0, 5.0, 20.0])) == pytest.approx([1, 0.75, 0])


def test_an_interval_needs_several_runs_of_a_data_set() -> None:
    assert estimate(interquartile_mean, {"a": np.array([1.0]), "b": np.array([2.0])}) == Estimate(1.5, None, None)
    same = estimate(interquartile_mean, {"a": np.array([2.0, 2.0]), "b": np.array([4.0, 4.0])})
    assert same == Estimate(3.0, 3.0, 3.0)  # resampled within each data set alone
    rng = np.random.default_rng(0)
    value, low, high = estimate(interquartile_mean, {"a": rng.normal(50, 10, 400)})
    assert low is not None
    assert high is not None
    # The middle half's mean of a normal sample has a standard error of about 1.09 sigma / sqrt(n).
    assert (high - low) == pytest.approx(2 * 1.96 * 1.09 * 10 / 20, rel=0.15)
    assert low < value < high
    assert f"{Estimate(1.25, 1.0, 1.5):.1f} {Estimate(2.0, None, None):.1f}" == "1.2 [1.0, 1.5] 2.0"
