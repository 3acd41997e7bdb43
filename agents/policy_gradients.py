"""Advantages, ratios and penalties of online policy gradients: pure functions, tensors in, tensors out.

The discount is 1. ``value[:, t]`` is ``V(s_t)``, the value of the state *before* target token ``t``; the value after
the last token is 0.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.returns import next_values

SMALLEST = 1e-6
"""Spread, of rewards or of log-probabilities, below which a source's candidates count as equal."""


def generalised_advantages(value: Tensor, reward: Tensor, mask: Tensor, lam: float) -> Tensor:
    """``A_t = delta_t + lam A_{t+1}``, ``delta_t = r_t + V(s_{t+1}) - V(s_t)`` (arXiv 1506.02438, equation 16).

    Args:
        value: float32 [B,T].
        reward: float32 [B,T], ``r_t`` of each step.
        mask: bool [B,T], true at target tokens, which come first in every row.
        lam: From 0 to 1.

    Returns:
        float32 [B,T] without gradient, 0 at padding.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(mask, value=value, reward=reward)
    value = value.detach()
    delta = (reward + next_values(value, mask) - value).masked_fill(~mask, 0.0)
    advantage, columns = torch.zeros_like(delta[:, 0]), []
    for t in reversed(range(delta.shape[1])):
        advantage = delta[:, t] + lam * advantage
        columns.append(advantage)
    return torch.stack(columns[::-1], dim=1)


def whitened(advantage: Tensor, mask: Tensor) -> Tensor:
    """Advantages with mean 0 and standard deviation 1 over the target tokens; 0 at padding, and where all are equal.

    Args:
        advantage: float32 [B,T].
        mask: bool [B,T].

    Raises:
        ValueError: If the shapes differ.
    """
    _check(mask, advantage=advantage)
    known = advantage[mask]
    if not len(known):
        return torch.zeros_like(advantage)
    spread = known.std(correction=0).clamp(min=SMALLEST)
    return ((advantage - known.mean()) / spread).masked_fill(~mask, 0.0)


def explained_variance(value: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """``1 - Var(G_t - V(s_t)) / Var(G_t)`` over the target tokens, without gradient; 0 where all ``G`` are equal.

    1 is a value network that knows the return, 0 one that says the same everywhere; a worse one is below.

    Args:
        value: float32 [B,T].
        target: float32 [B,T], ``G_t``.
        mask: bool [B,T].

    Returns:
        float32 [].

    Raises:
        ValueError: If the shapes differ.
    """
    _check(mask, value=value, target=target)
    if not mask.any():
        return value.new_zeros(())
    known, left = target[mask].detach(), (target - value)[mask].detach()
    spread = known.var(correction=0)
    share = 1 - left.var(correction=0) / spread.clamp(min=SMALLEST**2)
    return torch.where(spread > SMALLEST**2, share, torch.zeros_like(share))


def clipped_surrogate(log_ratio: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """``-min(rho A, clip(rho, 1 - epsilon, 1 + epsilon) A)``, ``rho`` the ratio (arXiv 1707.06347, equation 7).

    Args:
        log_ratio: float32 [B,T], ``log pi(a_t|s_t) - log mu(a_t|s_t)``, with gradient.
        advantage: float32 [B,T] or [B,1]; gets no gradient.
        epsilon: Above 0.

    Returns:
        float32 [B,T].
    """
    ratio, advantage = log_ratio.exp(), advantage.detach()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - epsilon, 1 + epsilon) * advantage)


def kl_estimate(log_prob: Tensor, log_prior: Tensor) -> Tensor:
    """``pi_0/pi - log(pi_0/pi) - 1`` of the tokens written: an unbiased estimate of ``KL(pi || pi_0)``, never below 0.

    Shao et al. 2024, arXiv 2402.03300, equation 4.

    Args:
        log_prob: float32 [B,T], ``log pi(a_t|s_t)``, with gradient.
        log_prior: float32 [B,T].

    Returns:
        float32 [B,T], nats.
    """
    log_ratio = log_prior - log_prob
    return log_ratio.exp() - log_ratio - 1


def token_mean(term: Tensor, mask: Tensor) -> Tensor:
    """Mean over the target tokens of the batch, float32 []; 0 where there is none.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(mask, term=term)
    return term.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)


def sequence_mean(term: Tensor, mask: Tensor) -> Tensor:
    """Mean over the batch's sequences of the mean over their target tokens, float32 []: each counts alike.

    Raises:
        ValueError: If the shapes differ.
    """
    _check(mask, term=term)
    return (term.masked_fill(~mask, 0.0).sum(1) / mask.sum(1).clamp(min=1)).mean()


def group_means(number: Tensor, group: Tensor) -> Tensor:
    """Mean over a sequence's group, for each sequence.

    Args:
        number: float32 [B].
        group: int64 [B], number of the group, from 0.

    Returns:
        float32 [B].
    """
    size = int(group.max()) + 1 if len(group) else 0
    total = number.new_zeros(size).index_add(0, group, number)
    return (total / _sizes(group, size))[group]


def leave_one_out(reward: Tensor, group: Tensor) -> Tensor:
    """``R_i`` less the mean of its group's other rewards; 0 of a group of one.

    Ahmadian et al. 2024, arXiv 2402.14740, section 3.3.

    Args:
        reward: float32 [B].
        group: int64 [B], number of the group, from 0.

    Returns:
        float32 [B].
    """
    size = _sizes(group, int(group.max()) + 1 if len(group) else 0)[group]
    # The group's mean holds R_i itself, once in k.
    return (reward - group_means(reward, group)) * size / (size - 1).clamp(min=1)


def standardised(reward: Tensor, group: Tensor) -> Tensor:
    """``(R_i - mean) / std`` within a group, 0 where its rewards are equal (arXiv 2402.03300, section 4.1.2).

    Args:
        reward: float32 [B].
        group: int64 [B], number of the group, from 0.

    Returns:
        float32 [B].
    """
    centred = reward - group_means(reward, group)
    spread = group_means(centred**2, group).sqrt()
    return torch.where(spread > SMALLEST, centred / spread.clamp(min=SMALLEST), 0.0)


def deviation_weights(log_prob: Tensor, group: Tensor) -> Tensor:
    """``exp(-|l_i - mean| / MAD)``, ``MAD`` the mean absolute deviation of ``l`` within a group; 1 where all are equal.

    Args:
        log_prob: float32 [B], ``l_i = log mu(y_i | x)``.
        group: int64 [B], number of the group, from 0.

    Returns:
        float32 [B], from 0 to 1.
    """
    deviation = (log_prob - group_means(log_prob, group)).abs()
    spread = group_means(deviation, group)
    return torch.where(spread > SMALLEST, (-deviation / spread.clamp(min=SMALLEST)).exp(), 1.0)


def _sizes(group: Tensor, count: int) -> Tensor:
    return torch.bincount(group, minlength=count)


def _check(mask: Tensor, **others: Tensor) -> None:
    for name, tensor in others.items():
        if mask.dim() != 2 or tensor.shape != mask.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)} and mask {tuple(mask.shape)}; both must be [B,T]")
