"""Intervals, paired tests and their correction."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.reports import comparison
from experiments.reports.comparison import holm, interval, paired_p


def test_the_interval_covers_the_mean_of_seeds_and_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "RESAMPLES", 300)
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(40):
        values = rng.normal(size=(5, 1)) * 0.1 + rng.normal(size=(1, 60)) + rng.normal(size=(5, 60)) * 0.3
        found = interval(values, seed=trial)
        assert found.mean == pytest.approx(values.mean())
        hits += found.low <= 0 <= found.high
    assert hits >= 34  # 95 % of 40 is 38; fewer than 34 has a chance of about 1 in 100
    same = interval(np.full((3, 4), 0.5))
    assert (same.low, same.high) == (0.5, 0.5)


def test_an_interval_of_nothing_is_refused() -> None:
    for bad in (np.zeros(3), np.zeros((0, 3)), np.full((1, 2), np.nan)):
        with pytest.raises(ValueError, match="give numbers"):
            interval(bad)


def test_paired_tests_see_a_shift_and_not_noise() -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(size=200)
    noise = rng.normal(size=(3, 200)) * 0.05
    assert paired_p(before + 0.05 + noise, before) < 0.001
    assert paired_p(before + noise - noise.mean(axis=0), before) == pytest.approx(1.0, abs=0.95)
    assert paired_p(np.stack([before, before]), before) == 1.0


def test_holm_by_hand() -> None:
    # 3 * 0.01, then 2 * 0.02, then 0.04, never falling.
    assert holm({"a": 0.04, "b": 0.01, "c": 0.02}) == pytest.approx({"a": 0.04, "b": 0.03, "c": 0.04})
    assert holm({}) == {}
