"""The forward pass over given targets, and how likely it makes them.

Shape letters: B batch, S source length, T target length, V vocabulary, L target tokens in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from agents.decoder_start import decoder_inputs
from agents.hidden_states import hidden_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def target_logits(
    model: PreTrainedModel,
    source: Tensor,
    source_mask: Tensor,
    target: Tensor,
    target_mask: Tensor,
    start: Sequence[int],
) -> Tensor:
    """Logits that predict each target token from the ones before it.

    Args:
        model: Any Hugging Face encoder-decoder.
        source: int64 [B,S].
        source_mask: bool [B,S].
        target: int64 [B,T], without start token.
        target_mask: bool [B,T].
        start: Tokens that the decoder is given before a target; see :func:`agents.decoder_start.decoder_start`.

    Returns:
        float [L,V], row after row of the batch, padding left out.
    """
    inputs, given = decoder_inputs(target, start), len(start) - 1
    if model.config.model_type != "marian":
        everywhere: Tensor = model(
            input_ids=source, attention_mask=source_mask.long(), decoder_input_ids=inputs, use_cache=False
        ).logits
        return everywhere[:, given:][target_mask]
    # The vocabulary is by far the widest layer, so padding is left out before it. Other architectures scale the
    # hidden state in ways of their own, so they go through their own forward.
    marian: Any = model
    hidden = hidden_states(marian.model, source, source_mask, inputs)[:, given:][target_mask]
    return F.linear(hidden, marian.lm_head.weight, marian.final_logits_bias[0])


def log_distributions(
    logits: Tensor, chosen: Tensor, support: Tensor, unk_id: int, temperature: float, forced: Tensor | None = None
) -> Tensor:
    """``log softmax(logits / temperature)`` over the support.

    Args:
        logits: float [L,V].
        chosen: int64 [L], the tokens that follow.
        support: float32 [V], 0 at tokens that a policy writes and ``-inf`` elsewhere.
        unk_id: The unknown token; no policy writes it, but where it was chosen it belongs to the support.
        temperature: Above 0.
        forced: int64 [L], the only token that a policy writes at this place, or -1; None is -1 everywhere.

    Returns:
        float32 [L,V].

    Raises:
        ValueError: If a token was chosen that is not in the support.
    """
    free = torch.ones_like(chosen, dtype=torch.bool) if forced is None else forced < 0
    outside = free & torch.isinf(support[chosen])
    if bool(outside.any()):
        unknown = outside & (chosen == unk_id)
        _check_all(outside == unknown, chosen)
        support = support.repeat(len(chosen), 1)
        support[unknown, unk_id] = 0.0
    scores = torch.add(support, logits, alpha=1 / temperature)
    if forced is not None:
        _check_all(free | (chosen == forced), chosen)
        only = F.one_hot(forced.clamp(min=0), scores.shape[1]).bool()
        scores = torch.where(free[:, None], scores, torch.where(only, 0.0, -torch.inf))
    return torch.log_softmax(scores, dim=-1)


def _check_all(writable: Tensor, chosen: Tensor) -> None:
    if not bool(writable.all()):
        token = int(chosen[~writable][0])
        raise ValueError(
            f"a target holds token {token} where the policy's constraint forbids it; train on targets that keep to "
            "the constraint, or use policy.constrained(None)"
        )


def chosen_log_probs(log_distribution: Tensor, chosen: Tensor) -> Tensor:
    """Log-probability of the chosen tokens (int64 [L]) under float32 [L,V]; float32 [L]."""
    return log_distribution.gather(1, chosen[:, None])[:, 0]


def padded(values: Tensor, mask: Tensor) -> Tensor:
    """Values of target tokens [L], row after row, as [B,T] with 0 at padding."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)
