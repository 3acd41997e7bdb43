"""Off-policy estimators, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agents.off_policy.estimators import (
    doubly_robust,
    effective_samples,
    per_decision_importance_sampling,
    weighted_importance_sampling,
)

MASK = np.array([[True, True], [True, False]])
# rho of the first target 2, then 2 * 3 = 6; of the second 1, which it keeps.
LOG_RATIO = np.array([[math.log(2), math.log(3)], [0.0, 99.0]])
REWARD = np.array([1.0, 0.5])


def test_weights_are_of_whole_targets_and_padding_does_not_count() -> None:
    assert effective_samples(LOG_RATIO, MASK) == pytest.approx((6 + 1) ** 2 / (36 + 1))
    assert weighted_importance_sampling(LOG_RATIO, REWARD, MASK) == pytest.approx((6 * 1.0 + 1 * 0.5) / 7)


def test_a_reward_is_weighed_among_targets_as_they_were_when_it_came() -> None:
    # The second target's reward comes at the first token, where the ratios are 2 and 1; the first one's at 6 and 1.
    expected = 0.5 * 1 / (2 + 1) + 1.0 * 6 / (6 + 1)
    assert per_decision_importance_sampling(LOG_RATIO, REWARD, MASK) == pytest.approx(expected)


def test_the_doubly_robust_estimate_corrects_the_values_by_weighted_errors() -> None:
    q = np.array([[0.6, 0.9], [0.4, 7.0]])
    v = np.array([[0.5, 0.8], [0.5, 7.0]])
    expected = (0.5 + 0.5) / 2 - 0.6 * 2 / 3 + (0.5 - 0.4) * 1 / 3 + 0.8 * 2 / 3 + (1.0 - 0.9) * 6 / 7
    assert doubly_robust(LOG_RATIO, REWARD, MASK, q, v) == pytest.approx(expected)
    assert doubly_robust(LOG_RATIO, REWARD, MASK, 0 * q, 0 * v) == pytest.approx(
        per_decision_importance_sampling(LOG_RATIO, REWARD, MASK)
    )


def test_the_tabular_process_is_solved_by_weights_and_by_values_alone() -> None:
    """Sequences oo, ot, to, tt of tests/agents/tabular; pi writes "one" with 0.9, after it "two" with 0.9."""
    reward, mask = np.array([0.2, 1.0, 0.4, 0.4]), np.ones((4, 2), dtype=bool)
    pi = np.array([[0.9, 0.1], [0.9, 0.9], [0.1, 0.5], [0.1, 0.5]])
    value = 0.09 * 0.2 + 0.81 * 1.0 + 0.1 * 0.4
    log_ratio = np.log(pi / 0.5)
    assert weighted_importance_sampling(log_ratio, reward, mask) == pytest.approx(value)
    assert per_decision_importance_sampling(log_ratio, reward, mask) == pytest.approx(value)
    after_one = 0.1 * 0.2 + 0.9 * 1.0
    q = np.array([[after_one, 0.2], [after_one, 1.0], [0.4, 0.4], [0.4, 0.4]])
    v = np.array([[value, after_one], [value, after_one], [value, 0.4], [value, 0.4]])
    # Right values need no right ratios, and right ratios no right values.
    assert doubly_robust(np.zeros((4, 2)), reward, mask, q, v) == pytest.approx(value)
    wrong_v = np.array([[0.5, 0.3], [0.5, 0.3], [0.5, 0.7], [0.5, 0.7]])
    wrong_q = np.array([[0.5, 0.3], [0.5, 0.3], [0.5, 0.7], [0.5, 0.7]])
    assert doubly_robust(log_ratio, reward, mask, wrong_q, wrong_v) == pytest.approx(value)


def test_ratios_may_be_huge_and_all_may_be_0() -> None:
    huge = np.array([[800.0], [790.0]])
    mask = np.ones((2, 1), dtype=bool)
    assert weighted_importance_sampling(huge, REWARD, mask) == pytest.approx(1.0, abs=1e-4)
    none = np.full((2, 1), -np.inf)
    assert effective_samples(none, mask) == 0
    assert math.isnan(weighted_importance_sampling(none, REWARD, mask))
    assert math.isnan(doubly_robust(none, REWARD, mask, np.zeros((2, 1)), np.zeros((2, 1))))
    assert effective_samples(np.array([[0.0], [-np.inf]]), mask) == pytest.approx(1.0)
