"""Off-policy evaluation of a policy on stored trajectories, by every estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from agents.importance import check_scored, known_ratios
from agents.off_policy.estimators import (
    doubly_robust,
    effective_samples,
    per_decision_importance_sampling,
    weighted_importance_sampling,
)
from agents.off_policy.fitted_q import FQE, QNetwork
from agents.off_policy.off_policy_config import OffPolicyConfig
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.training.loop import fit
from agents.training.training_config import TrainingConfig
from buffers import Slice


@dataclass(frozen=True)
class OffPolicyReport:
    """What is known of a policy's mean reward without sampling it.

    Attributes:
        estimates: By estimator.
        effective_samples: Of the whole trajectories' weights, at most ``samples``.
        samples: Trajectories that were weighed.
    """

    estimates: dict[str, float]
    effective_samples: float
    samples: int


def evaluate_off_policy(
    policy: Seq2SeqPolicy, data: Slice, config: OffPolicyConfig, start: Seq2SeqPolicy | None = None, seed: int = 0
) -> OffPolicyReport:
    """Estimate the mean reward of a policy's samples, at the temperature that the data were sampled at.

    Args:
        policy: Stays as it is.
        data: Scored, with log-probabilities. Original pairs, which nobody sampled, are left out.
        config: Budgets.
        start: Policy whose weights the action values start from; None takes ``policy``. The same for all policies makes
            their estimates differ by the policies alone.
        seed: Of the order of batches.

    Raises:
        ValueError: If there is no sample, or one lacks its reward, log-probabilities or temperature.
    """
    samples = data.where(~data.is_reference)
    if not len(samples) or not config.samples:
        raise ValueError(
            f"off-policy evaluation has {len(samples)} samples and weighs up to {config.samples}; give 1 or more of "
            "each"
        )
    check_scored("fitted Q evaluation", samples)
    fqe = FQE(QNetwork.from_policy(start or policy, samples.mean_reward()), policy)
    fit(fqe, samples, TrainingConfig(
        learning_rate=config.learning_rate, schedule="linear", tokens_per_batch=config.tokens_per_batch,
        max_tokens=config.fitted_tokens, warmup_tokens=config.fitted_tokens // 20, evaluate_every=config.fitted_tokens,
        weight_decay=0.0, seed=seed, progress=False,
    ))  # fmt: skip
    # One seed for all policies: their estimates are of the same samples, and differ by the policies alone.
    chosen = samples.drawn(config.samples, seed=0)
    parts: dict[str, list[Tensor]] = {}
    longest = int(chosen.target_lengths.max())
    with torch.inference_mode():
        batches = chosen.batches(4 * config.tokens_per_batch, seed=0)
        for batch in known_ratios("off-policy evaluation", None, batches):
            steps = fqe.step_values(batch.to(policy.device))
            every = {**steps._asdict(), "mask": batch.target_mask, "reward": batch.reward[:, None]}
            for name, values in every.items():
                width = 1 if name == "reward" else longest
                parts.setdefault(name, []).append(F.pad(values.cpu(), (0, width - values.shape[1])))
    known = {name: torch.cat(rows).numpy() for name, rows in parts.items()}
    mask = known.pop("mask")
    reward, log_ratio, q, v = (
        known[name].astype(np.float64) for name in ("reward", "log_ratio", "action_value", "value")
    )
    weighed = log_ratio, reward[:, 0], mask
    estimates = {
        "weighted importance sampling": weighted_importance_sampling(*weighed),
        "per-decision importance sampling": per_decision_importance_sampling(*weighed),
        "doubly robust": doubly_robust(*weighed, q, v),
        "fitted Q": float(v[:, 0].mean()),
    }
    return OffPolicyReport(estimates, effective_samples(log_ratio, mask), len(chosen))
