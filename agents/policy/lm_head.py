"""Chunked cross-entropy of the LM head: log-probabilities of chosen tokens without a matrix [L,V] of logits.

Shape letters: L target tokens, D width, V vocabulary, C tokens of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits held at once: 16 MiB of float32 on a CPU, where larger blocks are asked of the system anew each time.
LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}


class ChosenTokens(NamedTuple):
    """Log-probabilities of the chosen tokens, float32 [L] each."""

    log_prob: Tensor
    """With gradient."""
    tempered: Tensor
    """Of the distribution sharpened or flattened further, without gradient; empty where that was not asked for."""


def chunked_log_probs(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    chosen: Tensor,
    mask: Tensor,
    unknown: Tensor,
    temperature: float,
    further: Tensor | None = None,
) -> ChosenTokens:
    """What :func:`agents.policy.teacher_forcing.log_distributions` gives the chosen tokens, chunk by chunk of them.

    The backward pass computes the logits of several chunks again, which costs less than to write and read them; the
    probabilities of a single one are kept. Under autocast the products are in its precision, and all else is in
    float32. ``torch.utils.checkpoint`` over the chunks takes 1.1 to 1.3 times as long on a CPU: it computes the
    normalisation again too, which is kept here, and adds up a gradient as large as the weight for every chunk.

    Args:
        hidden: float [L,D].
        weight: float [V,D], of the LM head.
        bias: float [V], without gradient.
        chosen: int64 [L].
        mask: float32 [V], 0 at tokens that a policy writes and ``-inf`` elsewhere.
        unknown: bool [L], where the chosen token, and it alone, is allowed all the same.
        temperature: Above 0.
        further: float32 [L], a temperature above 0 that each token's distribution is sharpened or flattened by beside;
            None for none.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    layer = (hidden, weight, bias, chosen, mask, unknown)
    return ChosenTokens(*_ChunkedLogProbs.apply(*layer, temperature, further, dtype))


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
        further: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        read, low, add = hidden.to(dtype), weight.to(dtype), bias.to(dtype)
        log_sum = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        score, parts = torch.empty_like(log_sum), [*_chunks(read, low)]
        tempered = torch.empty_like(log_sum if further is not None else log_sum[:0])
        for part in parts:
            scores = _scores((read, low, add, chosen, mask, unknown), part, temperature)
            probs, log_sum[part] = _softmax(scores)
            score[part] = scores.gather(1, chosen[part, None])[:, 0]
            if further is not None:
                tempered[part] = score[part] / further[part] - _softmax(scores.div_(further[part, None]))[1]
        kept = [probs] if len(parts) == 1 else []
        ctx.save_for_backward(read, low, add, chosen, mask, unknown, log_sum, *kept)
        ctx.temperature, ctx.dtypes = temperature, (hidden.dtype, weight.dtype)
        ctx.mark_non_differentiable(tempered)
        return score - log_sum, tempered

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """``d log pi(y) / d logits = (onehot(y) - pi) / temperature``."""
        layer, log_sum, kept = ctx.saved_tensors[:6], ctx.saved_tensors[6], ctx.saved_tensors[7:]
        read, low, _, chosen, _, _ = layer
        upstream = gradients[0]
        to_hidden = torch.empty_like(read)
        # Summed over chunks in float32, whatever the products are computed in: bfloat16 would lose the small ones.
        to_weight = torch.zeros(low.shape, dtype=torch.float32, device=low.device)
        for part in _chunks(read, low):
            scaled = upstream[part, None] / ctx.temperature
            if kept:
                to_scores = kept[0] * -scaled  # [C,V]
            else:
                scores = _scores(layer, part, ctx.temperature)
                to_scores = scores.sub_(log_sum[part, None]).exp_().mul_(-scaled)
            to_logits = to_scores.scatter_add_(1, chosen[part, None], scaled).to(low.dtype)
            to_hidden[part] = to_logits @ low
            if low.dtype == to_weight.dtype:
                to_weight.addmm_(to_logits.T, read[part])
            else:
                to_weight += to_logits.T @ read[part]
        hidden_type, weight_type = ctx.dtypes
        return to_hidden.to(hidden_type), to_weight.to(weight_type), *[None] * 7


def _chunks(hidden: Tensor, weight: Tensor) -> Iterator[slice]:
    rows = max(1, LOGITS_AT_ONCE.get(hidden.device.type, LOGITS_AT_ONCE["cuda"]) // len(weight))
    for start in range(0, len(hidden), rows):
        yield slice(start, start + rows)


def _scores(layer: Sequence[Tensor], part: slice, temperature: float) -> Tensor:
    """Of a chunk, float32 [C,V]; the layer is hidden, weight, bias, chosen, mask and unknown."""
    hidden, weight, bias, chosen, mask, unknown = layer
    rows, outside = hidden[part], unknown[part]
    if weight.dtype == mask.dtype:
        # Bias, mask and temperature within the product: each by itself would read and write all logits again.
        scores = torch.addmm(mask + bias / temperature, rows, weight.T, alpha=1 / temperature)
    else:
        scores = torch.add(mask, F.linear(rows, weight, bias), alpha=1 / temperature)
    if bool(outside.any()):
        token = chosen[part][outside]
        logits = (rows[outside].float() * weight[token].float()).sum(-1) + bias[token].float()
        scores[outside, token] = logits / temperature
    return scores


def _softmax(scores: Tensor) -> tuple[Tensor, Tensor]:
    """``softmax(scores)``, float32 [C,V], and ``log sum exp(scores)``, float32 [C].

    A CPU takes longest over the exponentials, of which these are all. The sum is read off the likeliest token, whose
    probability is never small.
    """
    probs = torch.softmax(scores, dim=-1)
    return probs, scores.amax(-1) - probs.amax(-1).log()
