"""Returns, advantages and v-trace over padded sequences: pure functions, tensors in, tensors out.

The reward comes after the last token and the discount is 1 (section A.1). ``value[:, t]`` is ``V(s_t)``, the value of
the state *before* target token ``t``; the value after the last token is 0. Tensors whose shapes do not fit are refused
by a ValueError.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def step_rewards(reward: Tensor, mask: Tensor) -> Tensor:
    """``r_t``: the sequence's reward at its last target token, 0 elsewhere.

    Args:
        reward: float32 [B].
        mask: bool [B,T], true at target tokens, which come first in every row.

    Returns:
        float32 [B,T].
    """
    _check(mask, reward=reward)
    return torch.where(_is_last(mask), reward[:, None], 0.0)


def next_values(value: Tensor, mask: Tensor) -> Tensor:
    """``V(s_{t+1})``, 0 after the last target token; float32 [B,T]."""
    _check(mask, value=value)
    return torch.where(mask & ~_is_last(mask), value.roll(-1, dims=1), 0.0)


def td_errors(value: Tensor, reward: Tensor, mask: Tensor) -> Tensor:
    """``r_t + V(s_{t+1}) - V(s_t)``, 0 at padding; float32 [B,T]."""
    error = step_rewards(reward, mask) + next_values(value, mask) - value
    return error.masked_fill(~mask, 0.0)


def lambda_returns(value: Tensor, reward: Tensor, mask: Tensor, lam: float) -> Tensor:
    """``G_t = r_t + (1 - lam) V(s_{t+1}) + lam G_{t+1}``: Monte Carlo at 1, one-step at 0 (Sutton 1988).

    Args:
        value: float32 [B,T].
        reward: float32 [B].
        mask: bool [B,T].
        lam: From 0 to 1.

    Returns:
        float32 [B,T] without gradient, 0 at padding.
    """
    value = value.detach()
    errors = td_errors(value, reward, mask)
    return (value + _discounted_sum(errors, torch.full_like(errors, lam))).masked_fill(~mask, 0.0)


class VTrace(NamedTuple):
    """What :func:`vtrace` returns, both without gradient and 0 at padding."""

    target: Tensor
    """float32 [B,T], ``v_t``."""
    advantage: Tensor
    """float32 [B,T], ``r_t + v_{t+1} - V(s_t)``."""


def vtrace(
    value: Tensor, reward: Tensor, log_ratio: Tensor, mask: Tensor, *, rho_bar: float = 1.0, c_bar: float = 1.0
) -> VTrace:
    """Off-policy value targets (Espeholt et al. 2018, arXiv 1802.01561, equation 1).

    ``v_t = V(s_t) + rho_t delta_t + c_t (v_{t+1} - V(s_{t+1}))`` with ``delta_t = r_t + V(s_{t+1}) - V(s_t)``,
    ``rho_t = min(rho_bar, pi/mu)`` and ``c_t = min(c_bar, pi/mu)``.

    Args:
        value: float32 [B,T].
        reward: float32 [B].
        log_ratio: float32 [B,T], ``log pi(a_t|s_t) - log mu(a_t|s_t)``.
        mask: bool [B,T].
        rho_bar: Bound of the weights that decide what is estimated.
        c_bar: Bound of the weights that decide how far it looks.
    """
    _check(mask, log_ratio=log_ratio)
    value = value.detach()
    ratio = log_ratio.detach().masked_fill(~mask, 0.0).exp()
    errors = ratio.clamp(max=rho_bar) * td_errors(value, reward, mask)
    target = (value + _discounted_sum(errors, ratio.clamp(max=c_bar))).masked_fill(~mask, 0.0)
    advantage = step_rewards(reward, mask) + next_values(target, mask) - value
    return VTrace(target, advantage.masked_fill(~mask, 0.0))


def retrace(action_value: Tensor, value: Tensor, reward: Tensor, log_ratio: Tensor, mask: Tensor) -> Tensor:
    """Off-policy targets of action values (Munos et al. 2016, arXiv 1606.02647, with lambda = 1).

    ``G_t = r_t + V(s_{t+1}) + c_{t+1} (G_{t+1} - Q(s_{t+1}, a_{t+1}))`` with ``c_t = min(1, pi/mu)``.

    Args:
        action_value: float32 [B,T], ``Q(s_t, a_t)``.
        value: float32 [B,T], ``V(s_t)``, the mean of ``Q(s_t, .)`` under the evaluated policy.
        reward: float32 [B].
        log_ratio: float32 [B,T], ``log pi(a_t|s_t) - log mu(a_t|s_t)``.
        mask: bool [B,T].

    Returns:
        float32 [B,T] without gradient, 0 at padding.
    """
    _check(mask, reward=reward, action_value=action_value, value=value, log_ratio=log_ratio)
    known = action_value.detach()
    error = (step_rewards(reward, mask) + next_values(value.detach(), mask) - known).masked_fill(~mask, 0.0)
    trace = log_ratio.detach().masked_fill(~mask, 0.0).exp().clamp(max=1.0)
    # c_{t+1}; what follows the last token is 0 in any case.
    return (known + _discounted_sum(error, next_values(trace, mask))).masked_fill(~mask, 0.0)


def _is_last(mask: Tensor) -> Tensor:
    """Bool [B,T], true at each row's last target token."""
    following = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return mask & ~following


def _discounted_sum(term: Tensor, factor: Tensor) -> Tensor:
    """``S_t = term_t + factor_t S_{t+1}``, [B,T]."""
    total, columns = torch.zeros_like(term[:, 0]), []
    for own, share in zip(reversed(term.unbind(1)), reversed(factor.unbind(1)), strict=True):
        total = torch.addcmul(own, share, total)
        columns.append(total)
    return torch.stack(columns[::-1], dim=1)


def _check(mask: Tensor, reward: Tensor | None = None, **others: Tensor) -> None:
    if mask.dim() != 2:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; it must be [B,T]")
    if reward is not None and reward.shape != mask.shape[:1]:
        raise ValueError(f"reward has shape {tuple(reward.shape)}; it must be [B] for mask {tuple(mask.shape)}")
    for name, tensor in others.items():
        if tensor.shape != mask.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)} and mask {tuple(mask.shape)}; both must be [B,T]")
