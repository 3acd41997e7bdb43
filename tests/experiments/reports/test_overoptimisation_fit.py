from __future__ import annotations

import numpy as np
import pytest

from experiments.reports.overoptimisation_fit import (
    FORMULAS,
    Form,
    Point,
    Series,
    basis,
    beside_best_of_n,
    best_of_n_kl,
    fit,
)


def series(form: Form | None, distances: list[float], alpha: float, beta: float) -> Series:
    """Points on a curve, in three runs of forty sources with noise that leaves the means as they are."""
    noise = np.random.default_rng(0).normal(0, 0.05, (3, 40))
    noise -= noise.mean()
    points = []
    for distance in distances:
        gain = float(basis(form or "rl", np.array(distance)) @ [alpha, beta])
        points.append(Point("p", np.full((3, 40), distance**2), {"reward": gain + noise}))
    return Series("s", form, points)


@pytest.mark.parametrize(("form", "peak"), [("best-of-n", 0.3 / 0.2), ("rl", np.exp(0.3 / 0.1 - 1))])
def test_coefficients_are_those_that_made_the_points(form: Form, peak: float) -> None:
    known = fit(series(form, [0.0, 0.5, 1.0, 1.5, 2.0], 0.3, 0.1), "reward")
    assert known is not None
    assert (known.alpha.value, known.beta.value, known.peak.value) == pytest.approx((0.3, 0.1, peak))
    assert (known.farthest, known.error) == pytest.approx((2, 0), abs=1e-12)
    assert known.alpha.low < 0.3 < known.alpha.high
    assert set(FORMULAS) == {"best-of-n", "rl"}


@pytest.mark.parametrize(("form", "beta"), [("best-of-n", -0.1), ("best-of-n", 0.001), ("rl", 0.03)])
def test_a_gain_that_does_not_bend_has_no_peak(form: Form, beta: float) -> None:
    """Nor has one that bends so little that no policy gets to it: at d = 150, and at d = 8,103."""
    known = fit(series(form, [0.5, 1.0, 2.0], 0.3, beta), "reward")
    assert known is not None
    assert beta > 0 or not known.bends
    assert np.isinf(known.peak.value)
    assert str(known.peak).startswith("none [")


def test_two_points_and_what_is_no_series_have_no_curve() -> None:
    assert fit(series("rl", [0.0, 0.5, 1.0], 0.3, 0.1), "reward") is None
    assert fit(series(None, [0.5, 1.0, 1.5], 0.3, 0.1), "reward") is None
    assert fit(series("rl", [0.5, 1.0, 1.5], 0.3, 0.1), "gold") is None


def test_a_policy_stands_beside_the_best_of_n_of_its_kl() -> None:
    kl = np.tile(np.array([0.0, 0.2, 0.4]), (2, 5, 1))
    gain = np.tile(np.array([0.0, 0.1, 0.15]), (2, 5, 1))
    policy = Point("p", np.full((2, 5), 0.3), {"gold": np.full((2, 5), 0.2)})
    beside = beside_best_of_n(policy, kl, gain, "gold")
    assert (beside.number, beside.best) == pytest.approx((2.5, 0.125))
    assert beside.difference == pytest.approx((0.075, 0.075, 0.075))
    far = beside_best_of_n(Point("p", np.full((2, 5), 0.5), policy.gains), kl, gain, "gold")
    assert np.isnan(far.number)
    assert np.isnan(far.difference.value)


def test_the_kl_of_the_best_of_n() -> None:
    assert [best_of_n_kl(n) for n in (1, 2)] == pytest.approx([0, np.log(2) - 0.5])
