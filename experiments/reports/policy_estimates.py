"""Off-policy estimates of trained policies against what they are worth: how well each estimator ranks them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from experiments.reports.aggregates import RESAMPLES, Estimate
from experiments.reports.benchmark_cells import row_name
from experiments.reports.tables import Table, table

LEAST = 3
"""Policies of a data set that make ranks."""

FEW = 10.0
"""Effective samples below which a weighted estimate says little."""

TRUTHS = {"oracle": "true quality", "reward": "learned reward"}
"""What policies are ranked by: means over one fresh sample of each test source."""


class PolicyEstimates(NamedTuple):
    """One trained policy, its best weights.

    Attributes:
        dataset: That it was trained on, and is estimated from.
        agent: That trained it.
        seed: Of the run.
        learning_rate: Of the training.
        oracle: True quality of its samples of the test sources.
        reward: Learned reward of the same.
        estimates: Of its mean reward, by estimator.
        effective_samples: Of the importance weights.
        samples: Trajectories that were weighed.
    """

    dataset: str
    agent: str
    seed: int
    learning_rate: float
    oracle: float
    reward: float
    estimates: Mapping[str, float]
    effective_samples: float
    samples: int

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Self:
        """Of a training's record that has them."""
        step, known = result["steps"][-1], result["off_policy"]
        return cls(
            result["dataset"], row_name(result), result["seed"], result["learning_rate"], step["sample_oracle"],
            step["sample_reward"], known["estimates"], known["effective_samples"], known["samples"],
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash(self[:4])


def rank_correlations(policies: Sequence[PolicyEstimates]) -> dict[str, dict[str, Estimate]]:
    """Spearman's correlation of each estimator with each of :data:`TRUTHS`, and of the learned reward with the oracle.

    Within each data set, then the mean over data sets; intervals by a bootstrap of the policies within each. Data sets
    with fewer than :data:`LEAST` policies whose estimate is a number are left out.

    Returns:
        By estimator, then by truth; nothing where no data set is left.
    """
    by_dataset: dict[str, list[PolicyEstimates]] = {}
    for policy in policies:
        by_dataset.setdefault(policy.dataset, []).append(policy)
    by_dataset = {name: own for name, own in by_dataset.items() if len(own) >= LEAST}
    if not by_dataset:
        return {}
    correlations = {
        estimator: {
            truth: _correlation(by_dataset, lambda policy: policy.estimates[estimator], truth)  # noqa: B023  # at once
            for truth in TRUTHS
        }
        for estimator in policies[0].estimates
    }
    fresh = _correlation(by_dataset, lambda policy: policy.reward, "oracle")
    return correlations | {"learned reward of fresh samples": {"oracle": fresh}}


def mean_spearman(pairs: Mapping[str, NDArray[np.float64]], *, seed: int = 0) -> Estimate:
    """Mean over data sets of Spearman's rho of two columns, 0 of those where one never varies.

    Args:
        pairs: float64 [R,2] of each data set.
        seed: Of the bootstrap's resamples.
    """
    rng, value, drawn = np.random.default_rng(seed), 0.0, np.zeros(RESAMPLES)
    for values in pairs.values():
        value += float(_spearman(values[None])[0]) / len(pairs)
        drawn += _spearman(values[rng.integers(len(values), size=(RESAMPLES, len(values)))]) / len(pairs)
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Estimate(value, low, high)


def _spearman(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the two columns of each, [K,R,2] to [K]."""
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(1).prod(1))  # [K]
    covariance = ranks.prod(2).sum(1)
    rho: NDArray[np.float64] = np.divide(covariance, spread, out=np.zeros(len(values)), where=spread > 0)
    return rho


def few_effective(policies: Sequence[PolicyEstimates]) -> list[PolicyEstimates]:
    """Policies whose importance weights leave fewer than :data:`FEW` effective samples."""
    return [policy for policy in policies if policy.effective_samples < FEW]


def estimates_parts(
    policies: Sequence[PolicyEstimates], correlations: Mapping[str, Mapping[str, Estimate]]
) -> list[str]:
    """Section of the benchmark's page; nothing where nothing was estimated.

    Args:
        policies: All of them.
        correlations: Of :func:`rank_correlations`.
    """
    if not correlations:
        return []
    sizes = np.array([policy.effective_samples for policy in policies])
    low, middle, high = np.quantile(sizes, (0.1, 0.5, 0.9))
    few = len(few_effective(policies))
    warning = [
        f"WARNING: {few} of {len(policies)} policies have fewer than {FEW:g} effective samples, so that a handful of "
        "targets decide their weighted estimates."
    ]  # fmt: skip
    return [
        "## Off-policy evaluation",
        "How the data alone rank the trained policies: Spearman's rank correlation of each estimate of a policy's mean "
        f"reward with what its fresh samples of the test sources get, over {len(policies)} policies, those at learning "
        "rates that were not chosen included; the mean over data sets, with 95 % intervals by a bootstrap of policies "
        f"within each. Effective samples: {middle:.0f} in the middle, {low:.0f} to {high:.0f} for the middle 80 %, of "
        f"{max(policy.samples for policy in policies):,}.",
        *(warning if few else []),
        _table(correlations),
    ]


def _correlation(by_dataset: Mapping[str, Sequence[PolicyEstimates]], value: Any, truth: str) -> Estimate:
    pairs: dict[str, NDArray[np.float64]] = {}
    for name, own in by_dataset.items():
        values = np.array([[value(policy), getattr(policy, truth)] for policy in own], dtype=np.float64)
        pairs[name] = values[np.isfinite(values).all(1)]  # weights may all be 0
    ranked = {name: values for name, values in pairs.items() if len(values) >= LEAST}
    return mean_spearman(ranked) if ranked else Estimate(math.nan, None, None)


def _table(correlations: Mapping[str, Mapping[str, Estimate]]) -> Table:
    rows = [
        [name, *(f"{known[truth]:.2f}" if truth in known else "-" for truth in TRUTHS)]
        for name, known in correlations.items()
    ]
    return table(["estimator", *(f"with the {name}" for name in TRUTHS.values())], rows)


def effective_sentence(estimated: Mapping[str, Any]) -> str:
    """How many samples decide an evaluation's weighted estimates; a warning where they are nearly all one's."""
    effective = f"{estimated['effective_samples']:.1f} effective samples of {estimated['samples']:,}"
    if estimated["effective_samples"] < FEW:
        return f"WARNING: off-policy evaluation has {effective}: a handful of targets decide its weighted estimates"
    return f"off-policy evaluation: {effective}"
