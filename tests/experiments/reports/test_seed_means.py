"""Means over seeds, their intervals, and tests that are counted once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from experiments.reports.seed_means import SeedMean, corrected, number_of_tests, seed_mean, smallest_shown


def of_one(values: Sequence[float]) -> SeedMean | None:
    """Of one data set, by seed."""
    return seed_mean([(seed, "a", value) for seed, value in enumerate(values)])


def test_seeds_that_lack_a_data_set_are_left_out() -> None:
    mean = seed_mean([(0, "a", 10.0), (0, "b", -10.0), (1, "a", 12.0), (1, "b", -8.0), (2, "a", 10.0)])
    assert mean is not None
    assert mean.by_seed == (0.0, 2.0)
    assert mean.value == 1.0
    assert mean.low is not None
    assert mean.low < 0


def test_seeds_with_as_many_other_data_sets_are_not_mixed() -> None:
    halves = [(0, "a", 10.0), (1, "b", -10.0)]
    assert seed_mean(halves) is None
    assert seed_mean([*halves, (2, "a", 4.0), (2, "b", 6.0)]) == (5.0, None, None, None, (5.0,))
    assert seed_mean([(0, "a", 10.0), (1, "a", 12.0)], ["a", "b"]) is None


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    assert seed_mean([(0, "a", 3.0), (0, "b", 5.0)]) == (4.0, None, None, None, (4.0,))
    assert f"{seed_mean([(0, 'a', 3.0)]):+.1f}" == "+3.0"
    assert seed_mean([]) is None


def test_the_same_numbers_are_one_test() -> None:
    known = {name: of_one(values) for name, values in {
        "a": (1.0, 1.2, 1.1), "b": (0.1, -0.1, 0.3), "c": (0.1, -0.1, 0.3), "d": (0.5,)
    }.items()}  # fmt: skip
    means = {name: each for name, each in known.items() if each is not None}
    assert number_of_tests(means) == 2
    after = corrected(means)
    first = means["a"].p
    assert first is not None
    assert after["a"].p == pytest.approx(2 * first)
    assert after["b"].p == after["c"].p == means["b"].p
    assert after["d"].p is None


def test_the_smallest_difference_that_is_shown_is_where_the_corrected_p_is_the_level() -> None:
    spread = (1.0, 2.0, 3.0, 4.0, 5.0)
    known = of_one(spread)
    assert known is not None
    least = smallest_shown(known, 7)
    at = of_one([value - 3.0 + least for value in spread])
    assert at is not None
    assert at.p == pytest.approx(0.05 / 7)
