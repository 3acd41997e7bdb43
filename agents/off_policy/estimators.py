"""Estimates of a policy's mean reward from another's trajectories: pure functions of arrays.

The reward comes after the last token and the discount is 1. ``rho_t`` is the importance ratio of the first ``t``
tokens, ``prod_(k <= t) pi(a_k|s_k) / mu(a_k|s_k)``; after its last token a trajectory keeps the one that it ended with.
All weights are normalised over the trajectories, which costs a bias that vanishes as there are more of them, and
without which a few large ratios would be the whole estimate.

Shape letters: N trajectories, T target length.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def effective_samples(log_ratio: Floats, mask: Mask) -> float:
    """Kish's effective sample size of the whole trajectories' weights, ``(sum rho)^2 / sum rho^2``, from 1 to N.

    Args:
        log_ratio: [N,T], ``log pi(a_t|s_t) - log mu(a_t|s_t)``.
        mask: [N,T], true at target tokens, which come first in every row.

    Returns:
        0 where all weights are 0.
    """
    weight = _weights(log_ratio, mask)[:, -1]
    return 1 / float((weight**2).sum()) if weight.any() else 0.0


def weighted_importance_sampling(log_ratio: Floats, reward: Floats, mask: Mask) -> float:
    """``sum rho_T R / sum rho_T``; NaN where all weights are 0.

    Args:
        log_ratio: [N,T].
        reward: [N].
        mask: [N,T].
    """
    return _estimate(float(_weights(log_ratio, mask)[:, -1] @ reward), log_ratio, mask)


def per_decision_importance_sampling(log_ratio: Floats, reward: Floats, mask: Mask) -> float:
    """``sum_t sum rho_t r_t / sum rho_t``: each reward weighed among the trajectories as they were when it came.

    Precup et al. 2000, "Eligibility Traces for Off-Policy Policy Evaluation", section 3, with the weights of each time
    normalised. Where all trajectories are of one length it is :func:`weighted_importance_sampling`. NaN where all
    weights are 0.

    Args:
        log_ratio: [N,T].
        reward: [N].
        mask: [N,T].
    """
    weights, last = _weights(log_ratio, mask), mask.sum(1) - 1
    return _estimate(float(weights[np.arange(len(reward)), last] @ reward), log_ratio, mask)


def doubly_robust(log_ratio: Floats, reward: Floats, mask: Mask, action_value: Floats, value: Floats) -> float:
    """``sum_t sum w_t (r_t - Q(s_t, a_t)) + w_(t-1) V(s_t)``, ``w_t = rho_t / sum rho_t`` and ``w_0 = 1/N``.

    Weighted doubly robust estimation (Thomas and Brunskill 2016, arXiv 1604.00923, section 5, with discount 1): right
    where either the ratios or the values are. NaN where all weights are 0.

    Args:
        log_ratio: [N,T].
        reward: [N].
        mask: [N,T].
        action_value: [N,T], ``Q(s_t, a_t)`` of the evaluated policy.
        value: [N,T], ``V(s_t)``, the mean of ``Q(s_t, .)`` under that policy.
    """
    weights = _weights(log_ratio, mask)
    before = np.concatenate([np.full((len(reward), 1), 1 / len(reward)), weights[:, :-1]], axis=1)
    steps = np.zeros(mask.shape)
    steps[np.arange(len(reward)), mask.sum(1) - 1] = reward
    terms = weights * (steps - action_value) + before * value
    return _estimate(float(terms[mask].sum()), log_ratio, mask)


def _weights(log_ratio: Floats, mask: Mask) -> Floats:
    """``rho_t / sum rho_t``, [N,T]; 0 throughout a time at which all ratios are 0."""
    with np.errstate(invalid="ignore"):
        ratio = np.cumsum(np.where(mask, log_ratio, 0.0), axis=1)
        # The largest first, so that nothing overflows.
        rho = np.exp(ratio - ratio.max(0, keepdims=True))
    total = rho.sum(0, keepdims=True)
    weights: Floats = np.divide(rho, total, out=np.zeros_like(rho), where=np.isfinite(total) & (total > 0))
    return weights


def _estimate(value: float, log_ratio: Floats, mask: Mask) -> float:
    return value if effective_samples(log_ratio, mask) else math.nan
