"""Groups of a source's candidates, and what losses make of them: pure functions.

Shape letters: N trajectories, G groups, K candidates of a group.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def candidate_groups(
    source_index: NDArray[np.int64], least: int, most: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Each source's candidates as a group; of more than ``most``, so many drawn at random.

    Args:
        source_index: int64 [N].
        least: Sources with fewer candidates are left out; at least 1.
        most: At least ``least``.
        rng: Draws candidates and their order.

    Returns:
        For each size K of groups int64 [G,K], rows of the candidates.
    """
    order = rng.permutation(len(source_index)).astype(np.int64)
    order = order[np.argsort(source_index[order], kind="stable")]
    _, first, count = np.unique(source_index[order], return_index=True, return_counts=True)
    size = np.minimum(count, most)
    return [order[first[size == k][:, None] + np.arange(k)] for k in np.unique(size[size >= least])]


def boltzmann_weights(reward: Tensor, beta: float) -> Tensor:
    """``K softmax(R / beta)`` over each group's candidates: 1 on average, and all 1 where rewards are equal.

    Args:
        reward: float32 [G,K].
        beta: In units of reward, above 0.

    Returns:
        float32 [G,K].
    """
    return torch.softmax(reward / beta, dim=1) * reward.shape[1]


def expected_cost(log_prob: Tensor, cost: Tensor, alpha: float) -> Tensor:
    """``sum_y q(y) cost(y)``, ``q`` proportional to ``pi(y|x)^alpha`` over a group (arXiv 1512.02433).

    Args:
        log_prob: float32 [G,K], ``log pi(y|x)``.
        cost: float32 [G,K].
        alpha: Sharpness of ``q``, above 0.

    Returns:
        float32 [G].
    """
    return (torch.softmax(alpha * log_prob, dim=1) * cost).sum(1)
