"""The forward pass over given targets, and how likely it makes them.

Shape letters: B batch, S source length, T target length, V vocabulary, L target tokens in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from agents.policy.hidden_states import hidden_states
from agents.policy.lm_head import hidden_log_probs
from seq2seq_env.models.decoder_start import decoder_inputs
from seq2seq_env.models.teacher_forcing import teacher_forced_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Pairs(NamedTuple):
    """What a forward pass is given."""

    source: Tensor
    """int64 [B,S]."""
    source_mask: Tensor
    """bool [B,S]."""
    target: Tensor
    """int64 [B,T], without start token."""
    target_mask: Tensor
    """bool [B,T]."""
    start: Sequence[int]
    """Tokens that the decoder is given before a target; see :func:`seq2seq_env.models.decoder_start.decoder_start`."""

    @property
    def chosen(self) -> Tensor:
        """int64 [L], the target tokens, row after row, padding left out."""
        return self.target[self.target_mask]


def target_log_probs(
    model: PreTrainedModel,
    pairs: Pairs,
    support: Tensor,
    unk_id: int,
    temperature: float,
    forced: Tensor | None = None,
) -> Tensor:
    """``log softmax(logits / temperature)`` over the support, of each target token.

    Args:
        model: Any Hugging Face encoder-decoder.
        pairs: Sources and targets.
        support: As in :func:`log_distributions`, and so are the other arguments.
        unk_id: The unknown token.
        temperature: Above 0.
        forced: int64 [L], or None.

    Returns:
        float32 [L], row after row of the batch, padding left out.

    Raises:
        ValueError: If a token was chosen that is not in the support.
    """
    chosen = pairs.chosen
    if model.config.model_type != "marian" or forced is not None:
        logits = target_logits(model, pairs)
        return chosen_log_probs(log_distributions(logits, chosen, support, unk_id, temperature, forced), chosen)
    unknown = _unknown(chosen, support, unk_id, torch.ones_like(chosen, dtype=torch.bool))
    hidden = _marian_hidden(model, pairs)
    marian: Any = model
    bias = marian.final_logits_bias[0]
    return hidden_log_probs(hidden, marian.lm_head.weight, bias, chosen, support, unknown, temperature)


def target_logits(model: PreTrainedModel, pairs: Pairs) -> Tensor:
    """Logits that predict each target token from the ones before it.

    Args:
        model: Any Hugging Face encoder-decoder.
        pairs: Sources and targets.

    Returns:
        float [L,V], row after row of the batch, padding left out.
    """
    if model.config.model_type != "marian":
        return teacher_forced_logits(model, *pairs[:3], pairs.start)[pairs.target_mask]
    marian: Any = model
    hidden = _marian_hidden(model, pairs)
    return F.linear(hidden, marian.lm_head.weight, marian.final_logits_bias[0])


def _marian_hidden(model: PreTrainedModel, pairs: Pairs) -> Tensor:
    """[L,D]: what the vocabulary layer reads.

    It is by far the widest layer, so padding is left out before it. Other architectures scale the hidden state in ways
    of their own, so they go through their own forward.
    """
    inputs, given = decoder_inputs(pairs.target, pairs.start), len(pairs.start) - 1
    return hidden_states(model.base_model, pairs.source, pairs.source_mask, inputs)[:, given:][pairs.target_mask]


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
    unknown = _unknown(chosen, support, unk_id, free)
    if bool(unknown.any()):
        support = support.repeat(len(chosen), 1)
        support[unknown, unk_id] = 0.0
    scores = torch.add(support, logits, alpha=1 / temperature)
    if forced is not None:
        _check_all(free | (chosen == forced), chosen)
        only = F.one_hot(forced.clamp(min=0), scores.shape[1]).bool()
        scores = torch.where(free[:, None], scores, torch.where(only, 0.0, -torch.inf))
    return torch.log_softmax(scores, dim=-1)


def _unknown(chosen: Tensor, support: Tensor, unk_id: int, free: Tensor) -> Tensor:
    """Bool [L]: where the unknown token was chosen though no policy writes it, of those that are free to choose."""
    outside = free & torch.isinf(support[chosen])
    unknown = outside & (chosen == unk_id)
    _check_all(outside == unknown, chosen)
    return unknown


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
