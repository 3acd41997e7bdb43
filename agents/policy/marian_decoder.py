"""Marian's decoder, one token at a time for many rows, without the library's overhead for each layer and token.

Shape letters: B sources, R rows being written (B at first), G rows of one source at most, S source length, t tokens
written so far, D width, H heads, C = D / H, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from agents.policy.hidden_states import is_plain_marian
from seq2seq_env.models.low_precision import Product, linear_product
from seq2seq_env.models.low_precision_names import Arithmetic

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DROP_SHARE = 0.25
"""Sources without rows are dropped once this share of them has none: dropping copies the others' keys and values."""

# From so many tokens on batched products beat sums of products, whose temporary arrays outgrow the caches.
_MANY_TOKENS = 16


def has_plain_decoder(model: Any) -> bool:
    """Whether the weights of a ``MarianMTModel``'s layers and LM head are all there is to it: no adapters."""
    return is_plain_marian(model.base_model) and type(model.get_output_embeddings()) is nn.Linear


class MarianWeights:
    """What the decoders of a ``MarianMTModel`` compute with; of use as long as its weights do not change.

    Args:
        model: With :func:`has_plain_decoder`.
        arithmetic: Of the linear layers, the LM head's too; embeddings, norms and attention stay in float32.
    """

    def __init__(self, model: PreTrainedModel, arithmetic: Arithmetic = "float32") -> None:
        marian: Any = model
        decoder = marian.model.decoder
        product = partial(linear_product, arithmetic=arithmetic)
        self.embedding: nn.Embedding = decoder.embed_tokens
        self.scale: float = decoder.embed_scale
        self.positions: Tensor = decoder.embed_positions.weight
        self.head = product(marian.lm_head.weight, marian.final_logits_bias[0])
        self.layers = [LayerWeights(layer, product) for layer in decoder.layers]


class LayerWeights:
    """What one layer computes with.

    Attributes:
        project: To query, key and value of self-attention, one after another.
        project_source: To a source's key and value.
    """

    def __init__(self, layer: Any, product: Callable[[Tensor, Tensor], Product]) -> None:
        own, cross = layer.self_attn, layer.encoder_attn
        self.heads: int = own.num_heads
        self.scaling: float = own.scaling
        self.project = product(*_joined(own.q_proj, own.k_proj, own.v_proj))
        self.project_source = product(*_joined(cross.k_proj, cross.v_proj))
        self.query, self.output, self.source_output, self.inner, self.outer = (
            product(each.weight, each.bias)
            for each in (cross.q_proj, own.out_proj, cross.out_proj, layer.fc1, layer.fc2)
        )
        self.activation: Callable[[Tensor], Tensor] = layer.activation_fn
        self.norms = tuple(
            (norm.weight, norm.bias, norm.eps)
            for norm in (layer.self_attn_layer_norm, layer.encoder_attn_layer_norm, layer.final_layer_norm)
        )

    def norm(self, number: int, hidden: Tensor) -> Tensor:
        """Of self-attention, source attention and feed-forward."""
        weight, bias, eps = self.norms[number]
        return torch.layer_norm(hidden, weight.shape, weight, bias, eps)


def _joined(*projections: nn.Linear) -> tuple[Tensor, Tensor]:
    """One weight and bias for several projections of the same values."""
    return torch.cat([each.weight for each in projections]), torch.cat([each.bias for each in projections])


class MarianDecoder:
    """A :class:`agents.policy.decoders.Decoder` of a ``MarianMTModel``.

    The arithmetic is that of ``transformers`` (post-norm layers, sinusoidal positions), which a test compares. The gain
    is in one projection for query, key and value, in keys and values that are written in place, and in those of a
    source, which its rows read together and which are not copied where rows split.

    Args:
        weights: Of the network.
        encoded: float [B,S,D].
        source_mask: bool [B,S].
    """

    def __init__(self, weights: MarianWeights, encoded: Tensor, source_mask: Tensor) -> None:
        self._weights = weights
        self._rows = _RowsOfSources.one_each(source_mask)
        self._layers = [_LayerState(layer, encoded) for layer in weights.layers]
        self._length = 0

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`agents.policy.decoders.Decoder`."""
        weights = self._weights
        hidden = weights.embedding(tokens) * weights.scale + weights.positions[self._length]
        self._length += 1
        for layer in self._layers:
            hidden = layer.step(hidden, self._length, self._rows)
        return weights.head(hidden)

    def keep(self, rows: Tensor) -> None:
        """See :class:`agents.policy.decoders.Decoder`."""
        self._rows, kept = self._rows.keep(rows)
        for layer in self._layers:
            layer.keep(rows, self._length)
            if kept is not None:
                layer.keep_sources(kept)


class _RowsOfSources:
    """Which source each row belongs to; a source's rows stand together, in the order of the sources.

    Args:
        source: int64 [R].
        source_bias: float [B,1,1,S], added to the attention's logits.
    """

    def __init__(self, source: Tensor, source_bias: Tensor) -> None:
        self._source, self.bias = source, source_bias
        counts = torch.bincount(source, minlength=len(source_bias))
        most = int(counts.max())
        # A row for each source, in order, needs no table.
        self._one_each = most == 1 and len(source) == len(source_bias)
        rank = torch.arange(len(source), device=source.device) - (counts.cumsum(0) - counts)[source]
        self._place, self._most = source * most + rank, most

    @classmethod
    def one_each(cls, source_mask: Tensor) -> _RowsOfSources:
        """As many rows as sources, bool [B,S]."""
        bias = torch.zeros(source_mask.shape, device=source_mask.device).masked_fill_(~source_mask, -torch.inf)
        return cls(torch.arange(len(bias), device=bias.device), bias[:, None, None])

    def keep(self, rows: Tensor) -> tuple[_RowsOfSources, Tensor | None]:
        """Some rows; and the sources that are left, where so many have gone that the others move together."""
        source = self._source[rows]
        left, number = torch.unique_consecutive(source, return_inverse=True)
        if len(left) > (1 - DROP_SHARE) * len(self.bias):
            return _RowsOfSources(source, self.bias), None
        return _RowsOfSources(number, self.bias[left]), left

    def grouped(self, values: Tensor) -> Tensor:
        """[R,H,C] to [B,H,G,C], zero where a source has fewer rows."""
        if self._one_each:
            return values[:, :, None]
        table = values.new_zeros(len(self.bias) * self._most, *values.shape[1:])
        table[self._place] = values
        return table.view(len(self.bias), self._most, *values.shape[1:]).transpose(1, 2)

    def flat(self, values: Tensor) -> Tensor:
        """[B,H,G,C] to [R,D]."""
        if self._one_each:
            return values.flatten(1)
        return values.transpose(1, 2).flatten(2).flatten(0, 1)[self._place]


class _LayerState:
    """One layer, with its rows' keys and values and those of the sources."""

    def __init__(self, weights: LayerWeights, encoded: Tensor) -> None:
        self._weights = weights
        batch, length, _ = encoded.shape
        projected = weights.project_source(encoded.flatten(0, 1)).view(batch, length, 2, weights.heads, -1)
        # Contiguous, because a batched product would otherwise copy them at every step. Both are [B,H,S,C].
        self._source_key, self._source_value = projected.permute(2, 0, 3, 1, 4).contiguous().unbind()
        self._cache = encoded.new_empty(0)  # [2,capacity,R,H,C] from the first step on

    def step(self, hidden: Tensor, length: int, rows: _RowsOfSources) -> Tensor:
        """[R,D] to [R,D], the new token being number ``length``."""
        weights = self._weights
        hidden = weights.norm(0, hidden + weights.output(self._attend_to_prefix(hidden, length)))
        hidden = weights.norm(1, hidden + weights.source_output(self._attend_to_source(hidden, rows)))
        return weights.norm(2, hidden + weights.outer(weights.activation(weights.inner(hidden))))

    def keep(self, rows: Tensor, length: int) -> None:
        """Go on with some rows."""
        # Room for the next token at least, so that dropping rows and growing never copy the cache twice in one step.
        cache = self._cache
        self._cache = cache.new_empty(2, _capacity(length + 1), len(rows), *cache.shape[3:])
        torch.index_select(cache[:, :length], 2, rows, out=self._cache[:, :length])

    def keep_sources(self, sources: Tensor) -> None:
        """Go on with some sources, int64 [b]."""
        self._source_key = self._source_key.index_select(0, sources)
        self._source_value = self._source_value.index_select(0, sources)

    def _attend_to_prefix(self, hidden: Tensor, length: int) -> Tensor:
        weights = self._weights
        projected = weights.project(hidden).view(len(hidden), 3, weights.heads, -1)
        query, key, value = projected[:, 0] * weights.scaling, projected[:, 1], projected[:, 2]
        if not self._cache.numel():
            self._cache = query.new_empty(2, _capacity(length), *query.shape)
        elif length > self._cache.shape[1]:
            self._cache = torch.cat([self._cache, torch.empty_like(self._cache)], dim=1)
        self._cache[0, length - 1], self._cache[1, length - 1] = key, value
        keys, values = self._cache[0, :length], self._cache[1, :length]
        if length >= _MANY_TOKENS:
            flat = (length, -1, keys.shape[-1])
            key_of, value_of = keys.view(flat).transpose(0, 1), values.view(flat).transpose(0, 1)  # [R*H,t,C]
            shares = torch.bmm(query.reshape(len(key_of), 1, -1), key_of.transpose(1, 2)).softmax(-1)
            return torch.bmm(shares, value_of).view(hidden.shape)
        # One query a row: products and sums over [t,R,H,C] beat R*H tiny matrix products on a CPU.
        shares = torch.softmax((keys * query).sum(-1), dim=0)
        return (values * shares[..., None]).sum(0).flatten(1)

    def _attend_to_source(self, hidden: Tensor, rows: _RowsOfSources) -> Tensor:
        weights = self._weights
        query = rows.grouped((weights.query(hidden) * weights.scaling).view(len(hidden), weights.heads, -1))
        shares = torch.softmax(query @ self._source_key.transpose(2, 3) + rows.bias, dim=-1)
        return rows.flat(shares @ self._source_value)


def _capacity(length: int) -> int:
    """Tokens to make room for, of which ``length`` are known to come."""
    return -(-length // 16) * 16
