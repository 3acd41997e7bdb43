from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffers import Best, Filter, Interpolation, Percentile, Schedule, Threshold, at_most, make_filter, make_schedule


def kept(chosen: Filter, *sources: list[float]) -> list[list[float]]:
    """What a filter keeps of each source's rewards, the sources interleaved as they come."""
    rows = [(row, reward) for row, rewards in enumerate(sources) for reward in rewards]
    rows = rows[::2] + rows[1::2]
    index, reward = np.array([row for row, _ in rows]), np.array([reward for _, reward in rows], dtype=np.float32)
    mask = chosen(index, reward)
    assert mask.dtype == bool
    return [sorted(round(float(r), 6) for r in reward[mask & (index == row)]) for row in range(len(sources))]


def test_threshold_is_strict_in_the_dtype_of_rewards() -> None:
    # In float64 the float32 nearest to 0.8 is above 0.8.
    assert kept(Threshold(0.8), [0.7, 0.8, 0.9], [0.8, 1.0]) == [[0.9], [1.0]]
    assert kept(Threshold(0.0), [0.0, 0.01]) == [[0.01]]


def test_percentile_by_hand() -> None:
    # Medians 0.2 and, halfway between two ranks, 0.6.
    assert kept(Percentile(50), [0.3, 0.1, 0.2], [0.4, 0.8]) == [[0.3], [0.8]]
    # Eleven ranks: the 90th percentile is the tenth of them, 0.9.
    assert kept(Percentile(90), [i / 10 for i in range(11)]) == [[1.0]]
    # The 25th percentile of 0.1, 0.5 is 0.2; p = 0 keeps what is above the minimum.
    assert kept(Percentile(25), [0.1, 0.5]) == [[0.5]]
    assert kept(Percentile(0), [0.1, 0.2, 0.9, 0.9]) == [[0.2, 0.9, 0.9]]


def test_percentile_drops_ties_at_the_percentile() -> None:
    assert kept(Percentile(50), [0.2, 0.9, 0.9, 0.9], [0.5, 0.5], [0.7], [0.1, 0.2, 0.9, 0.9]) == [
        [],  # the median is the maximum itself
        [],
        [],
        [0.9, 0.9],
    ]


def test_interpolation_by_hand() -> None:
    # Mean 0.5, best 1: thresholds 0.5, 0.75, 0.9 for gamma 0, 0.5, 0.8.
    rewards = [0.0, 0.6, 0.8, 0.1, 1.0]
    assert kept(Interpolation(0.0), rewards) == [[0.6, 0.8, 1.0]]
    assert kept(Interpolation(0.5), rewards) == [[0.8, 1.0]]
    assert kept(Interpolation(0.8), rewards) == [[1.0]]
    # Mean 0.2, best 0.3: the threshold 0.25 of a hard source is its own.
    assert kept(Interpolation(0.5), [0.1, 0.3], rewards) == [[0.3], [0.8, 1.0]]


@given(st.floats(0, 1, width=32), st.integers(1, 9), st.floats(0, 0.99), st.floats(0, 99))
def test_equal_candidates_keep_nothing_by_source(reward: float, count: int, gamma: float, p: float) -> None:
    assert kept(Interpolation(gamma), [reward] * count) == [[]]
    assert kept(Percentile(p), [reward] * count) == [[]]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=40),
    st.sampled_from([0, 12.5, 25, 50, 75, 87.5]),
)
def test_percentile_agrees_with_numpy_source_by_source(rows: list[tuple[int, int]], p: float) -> None:
    # Eighths and such percentiles leave no rounding to disagree about.
    index = np.array([1000 * row for row, _ in rows])
    reward = np.array([eighths / 8 for _, eighths in rows], dtype=np.float32)
    wanted = [r > np.percentile(reward[index == i].astype(float), p) for i, r in zip(index, reward, strict=True)]
    assert Percentile(p)(index, reward).tolist() == wanted


def test_no_rows_are_no_trouble() -> None:
    nothing = np.array([], dtype=np.int64), np.array([], dtype=np.float32)
    for chosen in (Threshold(0.5), Percentile(50), Interpolation(0.5)):
        assert chosen(*nothing).tolist() == []


@pytest.mark.parametrize("reward", [float("nan"), -0.5, 1.5])
def test_impossible_rewards_are_refused(reward: float) -> None:
    for chosen in (Threshold(0.5), Percentile(50), Interpolation(0.5)):
        with pytest.raises(ValueError, match=f"reward is {reward} at row 1"):
            chosen(np.array([0, 0]), np.array([0.5, reward], dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("threshold", 1.0, r"tau is 1.0; choose it in \[0, 1\)"),
        ("threshold", -0.1, "tau is -0.1"),
        ("threshold", float("nan"), "tau is nan"),
        ("percentile", 100, r"p is 100; choose it in \[0, 100\)"),
        ("percentile", -1, "p is -1"),
        ("interpolation", 1, r"gamma is 1; choose it in \[0, 1\)"),
        ("interpolation", -0.5, "gamma is -0.5"),
        ("best", 0, "k is 0; choose a whole number of at least 1"),
        ("best", 1.5, "k is 1.5"),
        ("best", float("nan"), "k is nan"),
        ("quantile", 0.5, "there is no filter 'quantile'; choose one of threshold, percentile, interpolation"),
    ],
)
def test_bad_filters_are_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_filter(name, value)


def test_a_schedule_rises() -> None:
    schedule = make_schedule("threshold", [0.0, 0.7, 0.8])
    assert list(schedule) == [Threshold(0.0), Threshold(0.7), Threshold(0.8)]
    assert len(schedule) == 3
    assert schedule[1].value == 0.7
    assert [chosen.value for chosen in make_schedule("percentile", [50, 90])] == [50, 90]
    assert [chosen.value for chosen in make_schedule("interpolation", [0.5, 0.9])] == [0.5, 0.9]
    assert len(make_schedule("threshold", [])) == 0


def test_best_by_hand() -> None:
    assert kept(Best(1), [0.3, 0.1, 0.2], [0.4, 0.8], [0.5]) == [[0.3], [0.8], [0.5]]
    assert kept(Best(2), [0.3, 0.1, 0.2], [0.4, 0.8], [0.5]) == [[0.2, 0.3], [0.4, 0.8], [0.5]]
    # Of equal ones the first, so that every source keeps as many.
    mask = Best(1)(np.array([3, 5, 3, 5]), np.array([0.5, 0.2, 0.5, 0.2], dtype=np.float32))
    assert mask.tolist() == [True, True, False, False]
    assert Best(1)(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)).shape == (0,)


def test_a_schedule_of_the_best_falls() -> None:
    assert [chosen.value for chosen in make_schedule("best", [4, 2, 1])] == [4, 2, 1]
    with pytest.raises(ValueError, match=r"schedule \[1, 2\] does not fall"):
        make_schedule("best", [1, 2])


def test_at_most_so_many_of_each_source() -> None:
    source = np.array([4, 4, 4, 4, 7, 4])
    masks = [at_most(source, 2, np.random.default_rng(seed)) for seed in range(20)]
    assert all(mask[source == 4].sum() == 2 and mask[4] for mask in masks)
    assert np.any(masks, axis=0).all()
    assert (at_most(source, 2, np.random.default_rng(0)) == masks[0]).all()
    assert (at_most(source, np.int64(2), np.random.default_rng(0)) == masks[0]).all()


@pytest.mark.parametrize("values", [[0.7, 0.7], [0.9, 0.8], [0.5, 0.9, 0.6]])
def test_a_schedule_that_does_not_rise_is_shown(values: list[float]) -> None:
    with pytest.raises(ValueError, match="does not rise") as raised:
        make_schedule("threshold", values)
    assert str(values) in str(raised.value)


def test_a_schedule_is_of_one_kind() -> None:
    with pytest.raises(ValueError, match="mixes Percentile and Threshold"):
        Schedule((Threshold(0.5), Percentile(90)))
