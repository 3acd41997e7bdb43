"""Teacher forcing: the forward pass over given targets, and the log-probabilities that it gives them.

Shape letters: B batch, S source length, T target length, V vocabulary, L target tokens in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.policy.float32_heads import computing_in_float32, in_float32
from agents.policy.hidden_states import hidden_states
from agents.policy.lm_head import ChosenTokens, chunked_log_probs
from seq2seq_env.models.decoder_start import decoder_inputs
from seq2seq_env.models.teacher_forcing import teacher_forced_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PLAIN_HEADS = ("gpt2", "llama", "marian", "mistral", "qwen2", "qwen3")
"""Architectures whose logits are a product of hidden states and the LM head. Others scale them in ways of their own,
and go through their own forward."""


class Pairs(NamedTuple):
    """Sources and targets of a forward pass."""

    source: Tensor
    """int64 [B,S]."""
    source_mask: Tensor
    """bool [B,S]."""
    target: Tensor
    """int64 [B,T], without start token."""
    target_mask: Tensor
    """bool [B,T]."""
    start: Sequence[int]
    """Decoder start; see :func:`seq2seq_env.models.decoder_start.decoder_start`."""

    @property
    def chosen(self) -> Tensor:
        """int64 [L], the target tokens, row after row, padding left out."""
        return self.target[self.target_mask]


class AllowedTokens(NamedTuple):
    """What a policy writes."""

    logit_mask: Tensor
    """float32 [V], 0 at tokens that a policy writes and ``-inf`` elsewhere."""
    unk_id: int
    """The unknown token; no policy writes it, but where a target holds it, it is allowed there."""
    prefix: tuple[int, ...] = ()
    """Tokens that every target begins with."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Teacher-forced log-probabilities of a batch's targets, with gradient, each computed when first asked for.

    Both kinds start from one forward pass. Where both are wanted, ask for :attr:`log_distribution` first: the
    log-probabilities are then taken from it.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model.
        pairs: Sources and targets.
        allowed: What the policy writes.
        temperature: Divides the logits; above 0.

    Raises:
        ValueError: If a target holds a token that is not allowed; the attributes raise it.
    """

    model: PreTrainedModel
    pairs: Pairs
    allowed: AllowedTokens
    temperature: float = 1.0

    @cached_property
    def log_prob(self) -> Tensor:
        """``log pi(y_t | x, y_<t)``, float32 [B,T], 0 at padding."""
        if self._is_dense:
            return padded(_of_chosen(self.log_distribution, self.pairs.chosen), self.pairs.target_mask)
        return padded(self._chunked(None).log_prob, self.pairs.target_mask)

    @cached_property
    def log_distribution(self) -> Tensor:
        """``log pi(. | x, y_<t)``, float32 [L,V], row after row, padding left out; ``-inf`` at other tokens."""
        return self.log_distribution_of(self.logits)

    def log_distribution_of(self, logits: Tensor) -> Tensor:
        """:attr:`log_distribution` of another head's logits of the same states, float [L,V]."""
        mask, unk_id, _ = self.allowed
        return log_distributions(logits, self.pairs.chosen, mask, unk_id, self.temperature, self._forced)

    @cached_property
    def logits(self) -> Tensor:
        """Float [L,V], row after row, padding left out, as the network gives them: of all tokens, at temperature 1."""
        head = self._plain_head
        return self._own_logits() if head is None else F.linear(self._hidden, *head)

    @cached_property
    def float32_logits(self) -> Tensor:
        """:attr:`logits` of an LM head in float32, also under autocast: numbers that a loss regresses."""
        head = self._plain_head
        if head is not None:
            return in_float32(lambda hidden: F.linear(hidden, *head), self._hidden)
        model: Any = self.model
        with computing_in_float32(model.get_output_embeddings()):
            return self._own_logits()

    def _own_logits(self) -> Tensor:
        """:attr:`logits` by the model's own forward."""
        pairs = self.pairs
        return teacher_forced_logits(self.model, *pairs[:3], pairs.start)[pairs.target_mask]

    def log_prob_at(self, temperature: Tensor) -> Tensor:
        """:attr:`log_prob` of the distribution sharpened or flattened further, float32 [B,T], without gradient.

        Where both are wanted, ask for this one first: one pass over the logits then gives both.

        Args:
            temperature: float32 [B], above 0.
        """
        mask = self.pairs.target_mask
        if self._is_dense:
            return padded(_of_chosen(self.log_distribution_at(temperature), self.pairs.chosen), mask)
        with torch.set_grad_enabled(torch.is_grad_enabled() and "log_prob" not in vars(self)):
            both = self._chunked(self._everywhere(temperature))
        vars(self).setdefault("log_prob", padded(both.log_prob, mask))
        return padded(both.tempered, mask)

    def log_distribution_at(self, temperature: Tensor) -> Tensor:
        """:attr:`log_distribution` sharpened or flattened further, float32 [L,V], without gradient.

        Args:
            temperature: float32 [B], above 0.
        """
        return torch.log_softmax(self.log_distribution.detach() / self._everywhere(temperature)[:, None], dim=-1)

    def _everywhere(self, temperature: Tensor) -> Tensor:
        """float32 [L]: each sequence's temperature at its target tokens."""
        return temperature[:, None].expand_as(self.pairs.target)[self.pairs.target_mask]

    def _chunked(self, further: Tensor | None) -> ChosenTokens:
        """Of the chosen tokens, without the whole distributions."""
        head, chosen, (mask, unk_id, _) = self._plain_head, self.pairs.chosen, self.allowed
        assert head is not None
        unknown = _unknown(chosen, mask, unk_id, torch.ones_like(chosen, dtype=torch.bool))
        return chunked_log_probs(self._hidden, *head, chosen, mask, unknown, self.temperature, further)

    @property
    def _is_dense(self) -> bool:
        """Whether log-probabilities come from whole distributions: they are there, or not a plain head's alone."""
        return "log_distribution" in vars(self) or self._plain_head is None or self._forced is not None

    @cached_property
    def _hidden(self) -> Tensor:
        """[L,D]: what the LM head reads.

        It is by far the widest layer, so padding is left out before it.
        """
        pairs = self.pairs
        inputs = decoder_inputs(pairs.target, pairs.start)
        hidden = hidden_states(self.model.base_model, pairs.source, pairs.source_mask, inputs)
        return hidden[:, len(pairs.start) - 1 :][pairs.target_mask]

    @property
    def _plain_head(self) -> tuple[Tensor, Tensor] | None:
        """Weight [V,D] and bias [V] of the LM head; None where there is more to it, an adapter or a scale, say."""
        model: Any = self.model
        layer = model.get_output_embeddings()
        if model.config.model_type not in PLAIN_HEADS or type(layer) is not nn.Linear:
            return None
        bias = getattr(model, "final_logits_bias", None)
        return layer.weight, layer.weight.new_zeros(len(layer.weight)) if bias is None else bias[0]

    @cached_property
    def _forced(self) -> Tensor | None:
        """int64 [L]: the prefix that every target begins with, and -1 after it; None without one."""
        if not self.allowed.prefix:
            return None
        target, length = self.pairs.target, self.pairs.target.shape[1]
        prefix = torch.tensor(self.allowed.prefix, device=target.device)
        return F.pad(prefix, (0, length), value=-1)[:length].expand_as(target)[self.pairs.target_mask]


def log_distributions(
    logits: Tensor, chosen: Tensor, mask: Tensor, unk_id: int, temperature: float, forced: Tensor | None = None
) -> Tensor:
    """``log softmax(logits / temperature)`` over the allowed tokens.

    Args:
        logits: float [L,V].
        chosen: int64 [L], the tokens that follow.
        mask: float32 [V], 0 at tokens that a policy writes and ``-inf`` elsewhere.
        unk_id: The unknown token; allowed where it was chosen, and nowhere else.
        temperature: Above 0.
        forced: int64 [L], the only token that a policy writes at this place, or -1; None is -1 everywhere.

    Returns:
        float32 [L,V].

    Raises:
        ValueError: If a token was chosen that is not allowed.
    """
    free = torch.ones_like(chosen, dtype=torch.bool) if forced is None else forced < 0
    unknown = _unknown(chosen, mask, unk_id, free)
    if bool(unknown.any()):
        mask = mask.repeat(len(chosen), 1)
        mask[unknown, unk_id] = 0.0
    scores = torch.add(mask, logits, alpha=1 / temperature)
    if forced is not None:
        _check_all(free | (chosen == forced), chosen)
        only = F.one_hot(forced.clamp(min=0), scores.shape[1]).bool()
        # Constants, so a forced token has log-probability 0 exactly and no gradient.
        scores = torch.where(free[:, None], scores, torch.where(only, 0.0, -torch.inf))
    return torch.log_softmax(scores, dim=-1)


def _unknown(chosen: Tensor, mask: Tensor, unk_id: int, free: Tensor) -> Tensor:
    """Bool [L]: where the unknown token was chosen though no policy writes it, of those that are free to choose."""
    outside = free & torch.isinf(mask[chosen])
    unknown = outside & (chosen == unk_id)
    _check_all(outside == unknown, chosen)
    return unknown


def _check_all(allowed: Tensor, chosen: Tensor) -> None:
    if not bool(allowed.all()):
        token = int(chosen[~allowed][0])
        raise ValueError(
            f"a target holds token {token} where the policy's constraint forbids it; train on targets that keep to "
            "the constraint, or use policy.constrained(None)"
        )


def _of_chosen(log_distribution: Tensor, chosen: Tensor) -> Tensor:
    """Log-probability of the chosen tokens (int64 [L]) under float32 [L,V]; float32 [L]."""
    return log_distribution.gather(1, chosen[:, None])[:, 0]


def padded(values: Tensor, mask: Tensor) -> Tensor:
    """Values of target tokens [L], row after row, as [B,T] with 0 at padding."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=values.device).masked_scatter(mask, values)
