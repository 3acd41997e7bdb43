"""Building blocks of losses: pure functions, tensors in, tensors out, no model and no optimiser.

Tensors whose shapes do not fit are refused by a ValueError.

Shape letters: B batch, T target length, L target tokens in all, V vocabulary.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_nll(log_prob: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
    """``-sum(mask * weight * log_prob) / sum(mask)``: the form every loss of this package has.

    An algorithm is its weight, which gets no gradient. Dividing by the number of target tokens makes the learning
    rate independent of the size of the batch.

    Args:
        log_prob: float32 [B,T], ``log pi(y_t | x, y_<t)``.
        weight: float32, [B,T], or [B,1] for one weight per sequence.
        mask: bool [B,T], true at target tokens, end-of-sequence included.

    Returns:
        float32 [], 0 where the mask is empty.
    """
    _check(log_prob, mask)
    if weight.dim() != 2 or weight.shape[0] != mask.shape[0] or weight.shape[1] not in (1, mask.shape[1]):
        raise ValueError(f"weight has shape {tuple(weight.shape)}; it must be [B,T] or [B,1] for {tuple(mask.shape)}")
    terms = (weight.detach() * log_prob).masked_fill(~mask, 0.0)
    return -terms.sum() / mask.sum().clamp(min=1)


def sequence_log_prob(log_prob: Tensor, mask: Tensor) -> Tensor:
    """``log pi(y | x)``, summed over target tokens.

    Args:
        log_prob: float32 [B,T].
        mask: bool [B,T].

    Returns:
        float32 [B].
    """
    _check(log_prob, mask)
    return log_prob.masked_fill(~mask, 0.0).sum(-1)


def value_loss(value: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """``1/M sum (target - value)^2`` over the M target tokens; the target gets no gradient.

    Args:
        value: float32 [B,T].
        target: float32 [B,T].
        mask: bool [B,T].

    Returns:
        float32 [], 0 where the mask is empty.
    """
    _check(value, mask, "value")
    _check(target, mask, "target")
    return ((target.detach() - value) ** 2).masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)


def expectile_loss(value: Tensor, target: Tensor, mask: Tensor, expectile: float) -> Tensor:
    """``1/M sum |expectile - 1[u < 0]| u^2`` with ``u = target - value``; the target gets no gradient.

    At 0.5 it is half of :func:`value_loss`; towards 1 the value becomes the largest target (Kostrikov et al. 2021,
    arXiv 2110.06169).

    Args:
        value: float32 [B,T].
        target: float32 [B,T].
        mask: bool [B,T].
        expectile: Between 0 and 1.

    Returns:
        float32 [], 0 where the mask is empty.
    """
    _check(value, mask, "value")
    _check(target, mask, "target")
    error = (target.detach() - value).masked_fill(~mask, 0.0)
    weight = torch.where(error < 0, 1 - expectile, expectile)
    return (weight * error**2).sum() / mask.sum().clamp(min=1)


def upper_half(advantage: Tensor, mask: Tensor) -> Tensor:
    """The batch's target tokens whose advantage is not below the median (Song et al. 2020, arXiv 1909.12238).

    All that equal the median are in, so the choice does not depend on the order of the batch.

    Args:
        advantage: float32 [B,T].
        mask: bool [B,T].

    Returns:
        bool [B,T].
    """
    _check(advantage, mask, "advantage")
    advantages = advantage[mask]
    if not len(advantages):
        return mask
    # Of an even number the upper of the two middle ones, so that distinct advantages keep exactly half.
    median = advantages.sort().values[len(advantages) // 2]
    return mask & (advantage >= median)


def vmpo_weights(advantage: Tensor, eta: Tensor, keep: Tensor) -> Tensor:
    """``psi_t = exp(A_t / eta) / sum exp(A / eta)`` over the kept tokens (Song et al. 2020, arXiv 1909.12238).

    Args:
        advantage: float32 [B,T].
        eta: float32 [], above 0.
        keep: bool [B,T].

    Returns:
        float32 [B,T] without gradient, 0 elsewhere; the sum is 1 where any token is kept.
    """
    _check(advantage, keep, "advantage")
    scaled = (advantage.detach() / eta.detach()).masked_fill(~keep, -torch.inf)
    weights = torch.softmax(scaled.flatten(), dim=0).reshape(keep.shape)
    return torch.where(keep, weights, 0.0)


def temperature_loss(advantage: Tensor, eta: Tensor, epsilon: float, keep: Tensor) -> Tensor:
    """``eta epsilon + eta log(mean exp(A_t / eta))`` over the kept tokens (arXiv 1909.12238).

    Args:
        advantage: float32 [B,T]; gets no gradient.
        eta: float32 [], above 0.
        epsilon: How far, in nats, the weights may be from uniform.
        keep: bool [B,T], somewhere true.

    Returns:
        float32 [].
    """
    _check(advantage, keep, "advantage")
    scaled = advantage.detach()[keep] / eta
    return eta * (epsilon + torch.logsumexp(scaled, dim=0) - math.log(max(1, len(scaled))))


def trust_region_loss(kl: Tensor, alpha: Tensor, epsilon: float) -> Tensor:
    """``alpha (epsilon - sg[KL]) + sg[alpha] KL``, ``sg`` without gradient: V-MPO's ``L_alpha`` (arXiv 1909.12238).

    The Lagrangian of ``KL(pi_old || pi) < epsilon``: the multiplier rises while the mean divergence is above the bound,
    and falls below it.

    Args:
        kl: float32 [L], ``KL(pi_old(.|s) || pi(.|s))`` of each state, nats.
        alpha: float32 [], above 0.
        epsilon: Bound of the mean divergence, nats.

    Returns:
        float32 [].
    """
    mean = kl.mean()
    return alpha * (epsilon - mean.detach()) + alpha.detach() * mean


def categorical_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """``KL(p || q)`` of each row, nats.

    Args:
        log_p: float32 [L,V]; where it is ``-inf``, ``log_q`` may be so too.
        log_q: float32 [L,V].

    Returns:
        float32 [L].
    """
    if log_p.dim() != 2 or log_p.shape != log_q.shape:
        raise ValueError(f"log_p has shape {tuple(log_p.shape)} and log_q {tuple(log_q.shape)}; both must be [L,V]")
    difference = (log_p - log_q).masked_fill(log_p == -torch.inf, 0.0)
    return (log_p.exp() * difference).sum(-1)


def preference_loss(chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """``-mean log sigmoid(beta (chosen - rejected))`` (Rafailov et al. 2023, arXiv 2305.18290, equation 7).

    Args:
        chosen: float32 [B], ``log pi(y_w|x) - log pi_ref(y_w|x)``.
        rejected: float32 [B], the same of the worse.
        beta: Above 0.

    Returns:
        float32 [].
    """
    if chosen.dim() != 1 or chosen.shape != rejected.shape:
        raise ValueError(
            f"chosen has shape {tuple(chosen.shape)} and rejected {tuple(rejected.shape)}; both must be [B]"
        )
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


def ranking_loss(q: Tensor, chosen: Tensor, allowed: Tensor, weight: Tensor, margin: float) -> Tensor:
    """``mean w sum_a max(0, Q(s, a) - Q(s, a_t) + margin)^2`` over the other tokens ``a`` (arXiv 2103.09575).

    Args:
        q: float32 [L,V].
        chosen: int64 [L], ``a_t``.
        allowed: bool [V], true at tokens that are ever written; the others play no part.
        weight: float32 [L], without gradient.
        margin: In units of ``q``.

    Returns:
        float32 [].
    """
    own = q.gather(1, chosen[:, None])  # [L,1]
    excess = (q - own + margin).clamp(min=0).masked_fill(~allowed, 0.0).scatter(1, chosen[:, None], 0.0)  # [L,V]
    return (weight * (excess**2).sum(1)).mean()


def likelihood_returns(log_prob: Tensor, mask: Tensor, k: int, p_min: float, *, logarithm: bool) -> Tensor:
    """``sum_{i=t}^{t+k-1} f(max(p_i, p_min))``, ``f`` the logarithm or the identity (arXiv 2009.07839).

    After the end ``p_i`` is 1, as in the published code, so near the end a sum of probabilities still has ``k`` terms.

    Args:
        log_prob: float32 [B,T], ``log p_i``.
        mask: bool [B,T], true at target tokens, which come first in every row.
        k: Terms, at least 1.
        p_min: Lower bound of a probability, from 0 to 1.
        logarithm: Whether ``f`` is it.

    Returns:
        float32 [B,T], 0 at padding.
    """
    _check(log_prob, mask)
    bounded = log_prob.clamp(min=math.log(p_min) if p_min else -torch.inf)
    # Less what a term is after the end, so that padding adds nothing.
    term = (bounded if logarithm else bounded.exp() - 1).masked_fill(~mask, 0.0)
    total = F.pad(term.cumsum(1), (1, k - 1))
    total[:, term.shape[1] + 1 :] = total[:, term.shape[1], None]
    sums = total[:, k:] - total[:, : term.shape[1]]
    return (sums if logarithm else sums + k).masked_fill(~mask, 0.0)


def _check(values: Tensor, mask: Tensor, name: str = "log_prob") -> None:
    if values.dim() != 2 or values.shape != mask.shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)} and mask {tuple(mask.shape)}; both must be [B,T]")
