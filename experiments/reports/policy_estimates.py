"""Off-policy estimates of trained policies against what they are worth: how well each estimator ranks them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from experiments.reports.benchmark_cells import row_name
from experiments.reports.seed_means import SeedMean, seed_mean
from experiments.reports.tables import Table, table

LEAST = 5
"""Policies of a seed of a data set that make ranks."""

FEW = 10.0
"""Effective samples below which a weighted estimate says little."""

TRUTHS = {"oracle": "true quality", "reward": "learned reward"}
"""What policies are ranked by: means over one fresh sample of each test source."""

ERROR = "error"
"""What estimates are above the learned reward of fresh samples, on average."""


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
            step["sample_reward"], _numbers(known["estimates"]), known["effective_samples"], known["samples"],
        )  # fmt: skip

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Of a file of results."""
        return cls(**{**record, "estimates": _numbers(record["estimates"])})

    def __hash__(self) -> int:
        return hash(self[:4])


def _numbers(estimates: Mapping[str, float | None]) -> dict[str, float]:
    """NaN where JSON has null: weights that are all 0 estimate nothing."""
    return {name: math.nan if value is None else value for name, value in estimates.items()}


def distinct(policies: Sequence[PolicyEstimates]) -> list[PolicyEstimates]:
    """Each policy once: trainings whose best weights are those that they began with are one in each seed."""
    known: dict[tuple[str, int, float, float], PolicyEstimates] = {}
    for policy in policies:
        known.setdefault((policy.dataset, policy.seed, policy.oracle, policy.reward), policy)
    return list(known.values())


def rank_correlations(policies: Sequence[PolicyEstimates]) -> dict[str, dict[str, SeedMean]]:
    """Spearman's correlation of each estimator with each of :data:`TRUTHS`, and of the learned reward with the oracle.

    Within a seed of a data set, whose policies start alike, then the mean over data sets and seeds. Those with fewer
    than :data:`LEAST` policies whose estimate is a number are left out. Beside them, as :data:`ERROR`, what estimates
    are above the learned reward of the same policies' fresh samples.

    Args:
        policies: Each once.

    Returns:
        By estimator, then by truth; nothing where no seed is left.
    """
    groups: dict[tuple[str, int], list[PolicyEstimates]] = {}
    for policy in policies:
        groups.setdefault((policy.dataset, policy.seed), []).append(policy)
    if all(len(own) < LEAST for own in groups.values()):
        return {}
    known: dict[str, dict[str, SeedMean]] = {}
    for estimator in policies[0].estimates:
        by_group = {key: [(each.estimates[estimator], each) for each in own] for key, own in groups.items()}
        known[estimator] = _correlations(by_group, (*TRUTHS,))
        errors = [(seed, dataset, float(np.mean(above))) for (dataset, seed), own in by_group.items()
                  if (above := [value - each.reward for value, each in own if math.isfinite(value)])]  # fmt: skip
        if (error := seed_mean(errors)) is not None:
            known[estimator][ERROR] = error
    fresh = {key: [(each.reward, each) for each in own] for key, own in groups.items()}
    return known | {"learned reward of fresh samples": _correlations(fresh, ("oracle",))}


Estimated = tuple[float, PolicyEstimates]
"""Of a policy by something, and the policy."""


def _correlations(groups: Mapping[tuple[str, int], Sequence[Estimated]], truths: Sequence[str]) -> dict[str, SeedMean]:
    known = {}
    for truth in truths:
        of_seeds = []
        for (dataset, seed), own in groups.items():
            pairs = np.array([[value, getattr(policy, truth)] for value, policy in own], dtype=np.float64)
            pairs = pairs[np.isfinite(pairs).all(1)]  # weights may all be 0
            if len(pairs) >= LEAST:
                of_seeds.append((seed, dataset, spearman(pairs)))
        if (mean := seed_mean(of_seeds)) is not None:
            known[truth] = mean
    return known


def spearman(pairs: NDArray[np.float64]) -> float:
    """Spearman's rho of the two columns of [R,2]; 0 where one never varies."""
    from scipy.stats import rankdata

    ranks = rankdata(pairs, axis=0)
    ranks -= ranks.mean(0)
    spread = float(np.sqrt((ranks**2).sum(0).prod()))
    return float(ranks.prod(1).sum()) / spread if spread else 0.0


def few_effective(policies: Sequence[PolicyEstimates]) -> list[PolicyEstimates]:
    """Policies whose importance weights leave fewer than :data:`FEW` effective samples."""
    return [policy for policy in policies if policy.effective_samples < FEW]


def estimates_parts(
    policies: Sequence[PolicyEstimates], correlations: Mapping[str, Mapping[str, SeedMean]]
) -> list[str]:
    """Section of the benchmark's page; nothing where nothing was estimated.

    Args:
        policies: Each once.
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
        "How the data alone rank trained policies: Spearman's rank correlation, within a seed, of each estimate of a "
        "policy's mean reward with what its fresh samples of the test sources get; means over data sets and seeds, "
        f"with t intervals over seeds. The {len(policies)} policies are the best weights of all trainings, those at "
        "learning rates that were not chosen included, and each seed's start once; as best weights were chosen by the "
        "reward of validation samples, no bad one is among them, and estimates are of samples that they were trained "
        "on. "
        f"Effective samples: {middle:.0f} in the middle, {low:.0f} to {high:.0f} for the middle 80 %, of "
        f"{max(policy.samples for policy in policies):,}.",
        *(warning if few else []),
        _table(correlations),
    ]


def _table(correlations: Mapping[str, Mapping[str, SeedMean]]) -> Table:
    rows = [
        [name, *(f"{known[of]:.2f}" if of in known else "-" for of in (*TRUTHS, ERROR))]
        for name, known in correlations.items()
    ]
    head = ["estimator", *(f"rank correlation with the {name}" for name in TRUTHS.values()),
            "mean estimate, less the learned reward"]  # fmt: skip
    return table(head, rows)


def effective_sentence(estimated: Mapping[str, Any]) -> str:
    """How many samples decide an evaluation's weighted estimates; a warning where they are nearly all one's."""
    effective = f"{estimated['effective_samples']:.1f} effective samples of {estimated['samples']:,}"
    if estimated["effective_samples"] < FEW:
        return f"WARNING: off-policy evaluation has {effective}: a handful of targets decide its weighted estimates"
    return f"off-policy evaluation: {effective}"
