"""Chunked cross-entropy of the LM head: log-probabilities of chosen tokens without a matrix [L,V] of logits.

Shape letters: L target tokens, D width, V vocabulary, C tokens of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits held at once: 16 MiB of float32 on a CPU, where larger blocks are asked of the system anew each time.
LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}


def chunked_log_probs(
    hidden: Tensor, weight: Tensor, bias: Tensor, chosen: Tensor, mask: Tensor, unknown: Tensor, temperature: float
) -> Tensor:
    """What :func:`agents.policy.teacher_forcing.log_distributions` gives the chosen tokens, chunk by chunk of them.

    The backward pass computes the logits of several chunks again, which costs less than to write and read them; those
    of a single one are kept. Under autocast the products are in its precision, and all else is in float32.
    ``torch.utils.checkpoint`` over the chunks takes 1.1 to 1.3 times as long on a CPU: it computes the normalisation
    again too, which is kept here, and adds up a gradient as large as the weight for every chunk.

    Args:
        hidden: float [L,D].
        weight: float [V,D], of the LM head.
        bias: float [V], without gradient.
        chosen: int64 [L].
        mask: float32 [V], 0 at tokens that a policy writes and ``-inf`` elsewhere.
        unknown: bool [L], where the chosen token, and it alone, is allowed all the same.
        temperature: Above 0.

    Returns:
        float32 [L].
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    log_probs: Tensor = _ChunkedLogProbs.apply(hidden, weight, bias, chosen, mask, unknown, temperature, dtype)
    return log_probs


class _ChunkedLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        chosen: Tensor,
        mask: Tensor,
        unknown: Tensor,
        temperature: float,
        dtype: torch.dtype,
    ) -> Tensor:
        read, low, add = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
        log_sum = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        score, parts = torch.empty_like(log_sum), [*_chunks(read, low)]
        for part in parts:
            scores = _scores((read, low, add, chosen, mask, unknown), part, temperature)
            log_sum[part] = scores.logsumexp(-1)
            score[part] = scores.gather(1, chosen[part, None])[:, 0]
        kept = [scores] if len(parts) == 1 else []
        ctx.save_for_backward(read, low, add, chosen, mask, unknown, log_sum, *kept)
        ctx.temperature, ctx.dtypes = temperature, (hidden.dtype, weight.dtype)
        return score - log_sum

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """``d log pi(y) / d logits = (onehot(y) - pi) / temperature``."""
        layer, log_sum, kept = ctx.saved_tensors[:6], ctx.saved_tensors[6], ctx.saved_tensors[7:]
        read, low, _, chosen, _, _ = layer
        [upstream] = gradients
        to_hidden = torch.empty_like(read)
        # Summed over chunks in float32, whatever the products are computed in: bfloat16 would lose the small ones.
        to_weight = torch.zeros(low.shape, dtype=torch.float32, device=low.device)
        for part in _chunks(read, low):
            scores = kept[0] if kept else _scores(layer, part, ctx.temperature)
            scaled = upstream[part, None] / ctx.temperature
            to_scores = (scores - log_sum[part, None]).exp_().mul_(-scaled)  # [C,V]
            to_logits = to_scores.scatter_add_(1, chosen[part, None], scaled).to(low.dtype)
            to_hidden[part] = to_logits @ low
            if low.dtype == to_weight.dtype:
                to_weight.addmm_(to_logits.T, read[part])
            else:
                to_weight += to_logits.T @ read[part]
        hidden_type, weight_type = ctx.dtypes
        return to_hidden.to(hidden_type), to_weight.to(weight_type), *[None] * 6


def _chunks(hidden: Tensor, weight: Tensor) -> Iterator[slice]:
    rows = max(1, LOGITS_AT_ONCE.get(hidden.device.type, LOGITS_AT_ONCE["cuda"]) // len(weight))
    for start in range(0, len(hidden), rows):
        yield slice(start, start + rows)


def _scores(layer: Sequence[Tensor], part: slice, temperature: float) -> Tensor:
    """Of a chunk, float32 [C,V]; the layer is hidden, weight, bias, chosen, mask and unknown."""
    hidden, weight, bias, chosen, mask, unknown = layer
    logits, outside = F.linear(hidden[part], weight, bias), unknown[part]
    scores = torch.add(mask, logits, alpha=1 / temperature)
    if bool(outside.any()):
        token = chosen[part][outside]
        scores[outside, token] = logits[outside, token].to(scores.dtype) / temperature
    return scores
