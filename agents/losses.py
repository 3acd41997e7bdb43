"""The pure functions that losses are made of: tensors in, tensors out, no model and no optimiser.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

from torch import Tensor


def weighted_nll(log_prob: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
    """``-sum(mask * weight * log_prob) / sum(mask)``: the form every loss of this package has.

    An algorithm is its weight, which gets no gradient. Dividing by the number of target tokens makes the learning
    rate independent of the size of the batch.

    Args:
        log_prob: float32 [B,T], ``log pi(y_t | x, y_<t)``.
        weight: float32, [B,T], or [B,1] for one weight a sequence.
        mask: bool [B,T], true at target tokens, end-of-sequence included.

    Returns:
        float32 [], 0 where the mask is empty.

    Raises:
        ValueError: If the shapes do not fit.
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

    Raises:
        ValueError: If the shapes differ.
    """
    _check(log_prob, mask)
    return log_prob.masked_fill(~mask, 0.0).sum(-1)


def _check(log_prob: Tensor, mask: Tensor) -> None:
    if log_prob.dim() != 2 or log_prob.shape != mask.shape:
        raise ValueError(f"log_prob has shape {tuple(log_prob.shape)} and mask {tuple(mask.shape)}; both must be [B,T]")
