"""Rank accuracy by hand; tests/experiments/scorer_training/test_scorer_report.py has its value and error."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.scorer_training.rank_accuracy import rank_accuracy

QUALITIES = np.array([1, 0, 1, 0, 1, 0], dtype=np.float32)


def test_errors_of_differences_are_paired_by_source() -> None:
    sources = ["a", "a", "b", "b", "c", "c"]
    one = rank_accuracy(sources, QUALITIES, np.array([1, 0, 1, 0, 0, 1], dtype=np.float32))
    other = rank_accuracy(["d", *sources[1:]], QUALITIES, np.array([1, 0, 1, 0, 0, 1], dtype=np.float32))
    assert one is not None
    assert other is not None
    assert one.value == pytest.approx(2 / 3)
    assert one.pairs == 3
    assert one.influence == pytest.approx({"a": 1 / 9, "b": 1 / 9, "c": -2 / 9})
    assert one.error == pytest.approx(6**0.5 / 9)
    assert one.difference_error(one) == 0
    # Of other sources nothing cancels.
    assert other.pairs == 2
    assert other.influence == pytest.approx({"d": 0, "a": 0, "b": 1 / 4, "c": -1 / 4})
    assert one.difference_error(other) == pytest.approx(
        ((1 / 9) ** 2 + (1 / 9 - 1 / 4) ** 2 + (1 / 4 - 2 / 9) ** 2) ** 0.5
    )


def test_nothing_is_known_where_no_two_differ() -> None:
    assert rank_accuracy(["a", "a"], np.ones(2, dtype=np.float32), np.zeros(2, dtype=np.float32)) is None
    assert rank_accuracy([], np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)) is None
