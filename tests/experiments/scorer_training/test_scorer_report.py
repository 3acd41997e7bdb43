"""Agreement with true quality, and the unit tests of a reward model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.scorer_training.scorer_report import agreement, unit_tests
from seq2seq_env.tasks import Split


def test_agreement_by_hand() -> None:
    # Source a: qualities 1, .5, 0 with scores .9, .2, .3: two of three pairs right. Source b: a tie counts half.
    sources = ["a", "a", "a", "b", "b"]
    qualities = np.array([1, 0.5, 0, 1, 0], dtype=np.float32)
    found = agreement(sources, qualities, np.array([0.9, 0.2, 0.3, 0.4, 0.4], dtype=np.float32))
    assert found.pairs == 5
    assert found.pairwise == pytest.approx((2 + 0.5) / 4)
    # Of 0.625: source a has 2 right where 1.875 were expected of 3, source b 0.5 where 0.625 were.
    assert found.pairwise_error == pytest.approx((0.125**2 + 0.125**2) ** 0.5 / 4)
    assert found.exact_auc == pytest.approx((2 + 0.5) / 3)


def test_agreement_where_nothing_can_be_compared() -> None:
    found = agreement(["a", "a"], np.zeros(2, dtype=np.float32), np.array([0.1, 0.2], dtype=np.float32))
    assert (found.pearson, found.kendall, found.pairwise, found.exact_auc) == (None, None, None, None)
    assert found.pairwise_error is None


def test_unit_tests_count_falls() -> None:
    class LengthScorer:
        fingerprint = "length"

        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            return np.array([min(len(h), 100) / 100 for h in hypotheses], dtype=np.float32)

    split = Split("test", ["Er lacht nicht laut."] * 5, ["He does not laugh loudly."] * 5)

    def oracle(sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros(len(sources), dtype=np.float32)

    found = unit_tests(LengthScorer(), split, oracle, 0)
    assert found["truncated"].falls == 1.0
    assert found["repeated phrase"].falls == 0.0
    assert found["changed number"].cases == 0
