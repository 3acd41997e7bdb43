"""Rank correlations of off-policy estimates, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.reports.policy_estimates import (
    ERROR,
    LEAST,
    PolicyEstimates,
    distinct,
    estimates_parts,
    few_effective,
    rank_correlations,
    spearman,
)
from seq2seq_env.atomic_files import finite


def policy(
    place: int, oracle: float, estimate: float, *, dataset: str = "a", seed: int = 0, effective: float = 20.0
) -> PolicyEstimates:
    estimates = {"fitted Q": estimate}
    return PolicyEstimates(dataset, f"agent {place}", seed, 1e-3, oracle, 2 * oracle, estimates, effective, 100)


def test_spearman() -> None:
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with d = (0, 1, 1): 1 - 12 / 24.
    assert spearman(np.array([[1.0, 1], [2, 3], [3, 2]])) == pytest.approx(0.5)
    assert spearman(np.array([[1.0, 10], [2, 20], [3, 30]])) == pytest.approx(1.0)
    assert spearman(np.ones((3, 2))) == 0.0


def test_ranks_are_compared_within_a_seed() -> None:
    up = [policy(place, 0.1 * place, 0.05 * place) for place in range(1, 6)]
    down = [policy(place, 5.0 + place, -place, seed=1) for place in range(5)]  # above all of the other seed
    known = rank_correlations(up + down)
    assert known["fitted Q"]["oracle"].by_seed == pytest.approx((1.0, -1.0))
    assert known["fitted Q"]["reward"].by_seed == pytest.approx((1.0, -1.0))
    assert known["fitted Q"][ERROR].by_seed == pytest.approx((0.15 - 0.6, -2.0 - 14.0))
    assert known["learned reward of fresh samples"].keys() == {"oracle"}
    assert known["learned reward of fresh samples"]["oracle"].value == pytest.approx(1.0)


def test_estimates_that_are_no_numbers_are_left_out() -> None:
    policies = [policy(place, place / 10, place / 20, effective=place) for place in range(8, 13)]
    unknown = [policy(3, 0.9, math.nan), policy(0, 0.1, 0.9, dataset="small")]
    assert rank_correlations(policies + unknown)["fitted Q"]["oracle"].value == pytest.approx(1.0)
    assert [each.effective_samples for each in few_effective(policies)] == [8, 9]
    nothing = rank_correlations([policy(place, place / 10, math.nan) for place in range(5)])
    assert nothing["fitted Q"] == {}
    assert rank_correlations(policies[:2]) == {}


def test_what_json_has_as_null_is_no_number() -> None:
    record = {
        "dataset": "a", "agent": "bc", "data": "own", "seed": 0, "learning_rate": 1e-3,
        "steps": [{"sample_oracle": 0.5, "sample_reward": 0.6}],
        "off_policy": {"estimates": {"fitted Q": None}, "effective_samples": 0.0, "samples": 100},
    }  # fmt: skip
    policies = [PolicyEstimates.of(record | {"seed": seed}) for seed in range(LEAST)]
    assert math.isnan(policies[0].estimates["fitted Q"])
    assert PolicyEstimates.from_record(finite(policies[0]._asdict())) == policies[0]
    one_seed = [each._replace(seed=0) for each in policies]
    assert rank_correlations(one_seed)["fitted Q"] == {}


def test_a_start_that_many_kept_is_one_policy() -> None:
    kept = [policy(place, 0.5, 0.5 + place / 1e9) for place in range(30)]
    moved = [policy(place, place / 10, place / 10) for place in (1, 2, 3, 4)]
    elsewhere = [policy(0, 0.5, 0.5, seed=1)]
    policies = distinct(kept + moved + elsewhere)
    assert len(policies) == 6
    page = "\n".join(estimates_parts(policies, rank_correlations(policies)))
    assert "The 6 policies are the best weights" in page
    assert "| fitted Q | 1.00 | 1.00 | -0.40 [" in page
