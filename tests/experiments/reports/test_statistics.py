from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t, ttest_1samp

from experiments.reports import statistics
from experiments.reports.corpus_scores import bleu, pseudo_values
from experiments.reports.statistics import (
    OrderDifference,
    holm,
    interval,
    means_by_source,
    order_difference,
    stack,
    sums_by_source,
)

RUNS, SOURCES = 5, 60


def simulated(
    rng: np.random.Generator, *, run_effect: float, mean: float = 0.0, runs: int = RUNS
) -> NDArray[np.float64]:
    """[R,N] of crossed effects; a run effect of 1 varies as much as the mean of the residuals."""
    of_sources = 0.5 * rng.normal(size=SOURCES)
    of_runs = run_effect * rng.normal(size=(runs, 1)) / SOURCES**0.5
    return np.asarray(mean + of_sources + of_runs + rng.normal(size=(runs, SOURCES)))


def test_rows_of_one_source_are_put_together() -> None:
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert sums_by_source(values, ["b", "a", "b"]).tolist() == [[5, 50], [2, 20]]
    assert means_by_source(values, ["b", "a", "b"]).tolist() == [[2.5, 25], [2, 20]]
    assert means_by_source(values[:, 0], ["b", "a", "b"]).tolist() == [2.5, 2]
    assert sums_by_source(values, ["a", "b", "c"]) is values


def test_repeated_rows_do_not_make_chance_a_finding() -> None:
    """Of 40 sources with five rows each, 200 values would be above 0 far more often than 2.5 % of the time."""
    rng = np.random.default_rng(0)
    sources = [str(row // 5) for row in range(200)]
    draws = np.repeat(rng.normal(size=(400, 40)), 5, axis=1)
    shown = [interval(np.atleast_2d(means_by_source(each, sources))).low > 0 for each in draws]
    assert np.mean(shown) < 0.05


def test_an_interval_by_hand() -> None:
    """Mean squares 8 (runs), 1.5 (sources), 0 (residuals): variance 9.5 / 6, 9.5^2 / (8^2 / 2 + 1.5^2) freedoms."""
    found = interval(np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    error, freedom = (9.5 / 6) ** 0.5, 90.25 / 34.25
    half = float(t.ppf(0.975, freedom)) * error
    assert found[:3] == pytest.approx((2.5, 2.5 - half, 2.5 + half))
    assert found.p == pytest.approx(2 * t.sf(2.5 / error, freedom))
    assert f"{found:+.1f}" == "+2.5 [-1.8, +6.8]"


def test_an_interval_of_two_runs_by_hand() -> None:
    """Mean squares 6 (runs), 2 (sources), 0 (residuals): three quarters of the variance 8 / 6 have 1 freedom."""
    found = interval(np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]))
    error = (8 / 6) ** 0.5
    half = float(0.75 * t.ppf(0.975, 1) + 0.25 * t.ppf(0.975, 2)) * error
    assert found[:3] == pytest.approx((2, 2 - half, 2 + half))
    assert 0.75 * t.isf(found.p / 2, 1) + 0.25 * t.isf(found.p / 2, 2) == pytest.approx(2 / error)


def test_two_runs_that_are_one_have_the_interval_of_their_sources() -> None:
    values = np.tile(np.random.default_rng(0).normal(0.3, size=(1, 40)), (2, 1))
    assert interval(values) == pytest.approx(interval(values[:1]))


def test_a_single_run_is_tested_over_sources() -> None:
    values = np.random.default_rng(0).normal(0.3, size=(1, 40))
    assert interval(values).p == pytest.approx(ttest_1samp(values[0], 0).pvalue)


def test_runs_that_differ_widen_the_interval_whatever_the_number_of_sources() -> None:
    """Laying runs end to end as if independent would call this difference certain."""
    values = np.tile([[0.1], [-0.05], [0.1], [-0.06], [0.1]], 1000)
    values += np.random.default_rng(0).normal(0, 0.01, values.shape)
    assert ttest_1samp(values.ravel(), 0).pvalue < 1e-10
    assert interval(values).p > 0.2


def test_values_without_spread() -> None:
    assert interval(np.zeros((3, 4))) == (0, 0, 0, 1)
    assert interval(np.full((3, 4), 0.1)).p == 0


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((1, 1)), np.zeros((0, 2)), np.array([[0.0, np.nan]])])
def test_what_is_no_matrix_of_numbers_is_refused(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="give numbers"):
        interval(values)


@pytest.mark.parametrize("runs", [2, RUNS])
@pytest.mark.parametrize("run_effect", [0.0, 1.0, 3.0, 10.0])
def test_five_percent_of_equal_systems_seem_to_differ(run_effect: float, runs: int) -> None:
    rng = np.random.default_rng(1)
    found = [interval(simulated(rng, run_effect=run_effect, runs=runs)) for _ in range(1500)]
    assert 0.03 <= np.mean([each.p < 0.05 for each in found]) <= 0.07
    assert [each.p < 0.05 for each in found] == [not each.low <= 0 <= each.high for each in found]


@pytest.mark.parametrize(("difference", "seen"), [(5.0, 0.4), (20.0, 0.95)])
def test_two_runs_show_what_is_far_above_their_spread(difference: float, seen: float) -> None:
    """In units of the spread of one run's mean."""
    rng = np.random.default_rng(1)
    means = [simulated(rng, run_effect=0.0, mean=difference / SOURCES**0.5, runs=2) for _ in range(300)]
    assert np.mean([interval(values).p < 0.05 for values in means]) >= seen


def test_two_runs_of_one_mean_have_an_interval_all_the_same() -> None:
    values = np.zeros((2, 100))
    values[0, :3] = values[1, 3:6] = 1
    found = interval(values)
    assert found.low < found.mean == 0.03 < found.high
    assert found.p > 0.01


@pytest.mark.parametrize("run_effect", [1.0, 2.0])
def test_five_percent_of_equal_systems_seem_to_differ_in_bleu(run_effect: float) -> None:
    """Two systems whose words are right at one rate, which a run moves; BLEU by its pseudo-values."""
    rng = np.random.default_rng(2)

    def runs() -> NDArray[np.float64]:
        rates = 0.7 + run_effect * 0.015 * rng.normal(size=RUNS)
        return np.stack([pseudo_values(statistics_of(rng, hard, rate), bleu) for rate in rates])

    seems = []
    for _ in range(400):
        hard = rng.normal(0, 0.1, SOURCES)
        seems.append(interval(runs() - runs()).p < 0.05)
    assert 0.03 <= np.mean(seems) <= 0.07


def statistics_of(rng: np.random.Generator, hard: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """BLEU statistics [N,10] of hypotheses of ten words, each right with the rate less what is hard in its source."""
    right = rng.random((SOURCES, 10)) < np.clip(rate - hard, 0, 1)[:, None]
    matches = [np.lib.stride_tricks.sliding_window_view(right, n, axis=1).all(axis=-1).sum(axis=1) for n in range(1, 5)]
    totals = np.tile([10, 9, 8, 7, 10, 10], (SOURCES, 1))
    return np.column_stack([*matches, totals]).astype(float)


@pytest.mark.parametrize("run_effect", [0.0, 1.0, 3.0])
def test_an_order_seems_to_differ_at_most_as_often_as_it_may(
    run_effect: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two systems are equal by one measure, its order agrees with another's as often as not."""
    monkeypatch.setattr(statistics, "RESAMPLES", 100)
    rng = np.random.default_rng(3)
    found = []
    for seed in range(150):
        tied, clear = (
            {name: simulated(rng, run_effect=run_effect, mean=mean) for name, mean in (("a", 0.0), ("b", difference))}
            for difference in (0.0, 2.0)
        )
        found.append(order_difference(tied, clear, seed=seed).verdict)
    most = 0.05 * len(found) + 2 * (0.05 * 0.95 * len(found)) ** 0.5
    assert max(found.count("holds"), found.count("does not hold")) <= most


def test_an_order_that_differs_is_seen() -> None:
    rng = np.random.default_rng(0)
    up, down = (
        {name: simulated(rng, run_effect=1, mean=mean * sign) for name, mean in (("a", 0.0), ("b", 2.0), ("c", 4.0))}
        for sign in (1, -1)
    )
    assert order_difference(up, down) == OrderDifference(pair=1, anywhere=1, pairs=3)
    assert order_difference(up, up) == OrderDifference(pair=0, anywhere=0, pairs=3)


def test_noise_among_many_close_systems_is_no_other_order() -> None:
    """Eleven systems in one true order, steps of which are lost in noise: some pair is always the other way round."""
    rng = np.random.default_rng(4)
    one, other = ({str(at): simulated(rng, run_effect=1, mean=0.001 * at) for at in range(11)} for _ in range(2))
    differ = order_difference(one, other)
    assert differ.anywhere == 1
    assert differ.verdict == "not shown"


def test_runs_that_systems_share_do_not_part_their_orders() -> None:
    """Which run is drawn moves all systems alike, and their differences not at all."""
    shared = np.random.default_rng(5).normal(size=(RUNS, 1)) + np.zeros((RUNS, SOURCES))
    measure = {"a": shared, "b": shared + 0.01}
    assert order_difference(measure, measure).verdict == "does not hold"


def test_measures_of_other_systems_have_no_common_order() -> None:
    one = {"a": np.zeros((2, 3))}
    with pytest.raises(ValueError, match=r"\['a'\] and \['b'\]"):
        order_difference(one, {"b": np.zeros((2, 3))})
    with pytest.raises(ValueError, match="sources"):
        order_difference(one, {"a": np.zeros((2, 4))})
    with pytest.raises(ValueError, match="1 system has no order"):
        order_difference(one, one)


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_holm_keeps_the_rate_of_a_family() -> None:
    """One run effect serves all agents of a family, as one supervised policy does."""
    rng = np.random.default_rng(4)
    wrong = []
    for _ in range(400):
        base = simulated(rng, run_effect=1)
        family = {str(agent): interval(simulated(rng, run_effect=1) - base).p for agent in range(5)}
        wrong.append(min(holm(family).values()) < 0.05)
    assert np.mean(wrong) <= 0.07


def test_runs_of_other_splits_do_not_stack() -> None:
    assert stack([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match=r"\[1, 2\] sources"):
        stack([[1.0], [1.0, 2.0]])
