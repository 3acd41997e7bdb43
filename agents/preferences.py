"""Preferences made from rewards, and the losses of pairs: pure functions.

A batch of pairs has the better trajectory of each before the worse: better, worse, better, worse.

Shape letters: B batch, T target length, N trajectories, P pairs, B = 2 P.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.losses import sequence_log_prob, weighted_nll


def best_and_worst(source_index: NDArray[np.int64], reward: NDArray[np.float32], margin: float) -> NDArray[np.int64]:
    """Rows of each source's best and worst candidate, where they differ by more than ``margin``; of equals the first.

    Args:
        source_index: int64 [N].
        reward: float32 [N].
        margin: In units of reward.

    Returns:
        int64 [P,2], best and worst, in the order of the sources.
    """
    falling = np.lexsort((-reward, source_index))  # stable: of equals the first
    rising = np.lexsort((reward, source_index))
    _, first = np.unique(source_index[falling], return_index=True)
    pairs = np.stack([falling[first], rising[first]], axis=1)
    wide: NDArray[np.int64] = pairs[reward[pairs[:, 0]] - reward[pairs[:, 1]] > margin]
    return wide


class Pair(NamedTuple):
    """A number of each pair's better trajectory, and of its worse one."""

    chosen: Tensor
    """float32 [P]."""
    rejected: Tensor
    """float32 [P]."""

    def accuracy(self) -> Tensor:
        """Share of pairs whose better trajectory has the larger number, float32 []."""
        return (self.chosen > self.rejected).float().mean()


def sequence_pairs(values: Tensor, mask: Tensor) -> Pair:
    """Sums over target tokens, of log-probabilities or their differences.

    Args:
        values: float32 [B,T].
        mask: bool [B,T].

    Raises:
        ValueError: If the shapes differ.
    """
    sums = sequence_log_prob(values, mask)
    return Pair(sums[0::2], sums[1::2])


def chosen_nll(log_prob: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of the better trajectories, a mean over their target tokens; float32 [].

    Args:
        log_prob: float32 [B,T].
        mask: bool [B,T].

    Raises:
        ValueError: If the shapes differ.
    """
    return weighted_nll(log_prob[0::2], torch.ones_like(log_prob[0::2]), mask[0::2])


def ipo_loss(ratio: Pair, tau: float) -> Tensor:
    """``mean (h - 1 / (2 tau))^2``, ``h`` the chosen ratio less the rejected (arXiv 2310.12036, equation 17).

    Args:
        ratio: ``log pi(y|x) - log pi_ref(y|x)``.
        tau: Above 0.

    Returns:
        float32 [].
    """
    return ((ratio.chosen - ratio.rejected - 1 / (2 * tau)) ** 2).mean()


def kto_loss(ratio: Pair, divergence: Tensor, beta: float, desirable: float, undesirable: float) -> Tensor:
    """``mean (lambda_y - v(x, y))`` over better and worse trajectories alike (arXiv 2402.01306).

    ``v`` is ``lambda_D sigmoid(beta (r - z))`` of a better one, ``lambda_U sigmoid(beta (z - r))`` of a worse one.

    Args:
        ratio: ``r = log pi(y|x) - log pi_ref(y|x)``.
        divergence: float32 [], the reference point ``z``, without gradient.
        beta: Above 0.
        desirable: ``lambda_D``.
        undesirable: ``lambda_U``.

    Returns:
        float32 [].
    """
    gain = desirable * torch.sigmoid(beta * (ratio.chosen - divergence))
    safety = undesirable * torch.sigmoid(beta * (divergence - ratio.rejected))
    return (desirable + undesirable - gain - safety).mean() / 2


def hinge_loss(score: Pair, delta: float) -> Tensor:
    """``mean max(0, delta - chosen + rejected)`` (arXiv 2305.10425).

    Args:
        score: ``log pi(y|x)``.
        delta: 0 or more.

    Returns:
        float32 [].
    """
    return (delta - score.chosen + score.rejected).clamp(min=0).mean()
