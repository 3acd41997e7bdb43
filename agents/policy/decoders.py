"""Writing one token for many rows at a time, with the keys and values of earlier tokens kept.

Shape letters: B sources, R rows being written (B at first), S source length, t tokens written so far, V vocabulary,
D width, H heads, C = D / H.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.policy.hidden_states import is_plain_marian
from seq2seq_env.models.decoder_only import is_decoder_only, left_padded, positions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Decoder(Protocol):
    """Rows that are being written, all of the same length so far."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (int64 [R]) and give the next token's logits, float [R,V]."""

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` only (int64 [r], positions among the current rows); one that comes twice is copied."""


def open_decoder(model: PreTrainedModel, source: Tensor, source_mask: Tensor) -> Decoder:
    """A decoder with a row for each source and nothing written.

    Args:
        model: Any Hugging Face encoder-decoder or decoder-only model. Marian models get a decoder 2 to 3 times as fast
            on a CPU.
        source: int64 [B,S].
        source_mask: bool [B,S].
    """
    if is_decoder_only(model.config):
        return DecoderOnly(model, source, source_mask)
    encoded = model.get_encoder()(input_ids=source, attention_mask=source_mask.long()).last_hidden_state
    kind = MarianDecoder if is_plain_marian(model.base_model) else CachedDecoder
    return kind(model, encoded, source_mask)


class CachedDecoder:
    """Any Hugging Face decoder through its own cache.

    Args:
        model: The whole encoder-decoder.
        encoded: float [B,S,D].
        source_mask: bool [B,S].
    """

    def __init__(self, model: PreTrainedModel, encoded: Tensor, source_mask: Tensor) -> None:
        self._model = model
        self._encoded = encoded
        self._mask = source_mask.long()
        self._cache: dict[str, Any] = {}

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        output = self._model(
            encoder_outputs=(self._encoded,),
            attention_mask=self._mask,
            decoder_input_ids=tokens[:, None],
            use_cache=True,
            **self._cache,
        )
        self._cache = _cache_of(output)
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._encoded, self._mask = self._encoded[rows], self._mask[rows]
        for cache in self._cache.values():
            cache.reorder_cache(rows)


class DecoderOnly:
    """Any Hugging Face decoder-only model: the sources are the beginning of its rows, read in one pass.

    Args:
        model: With an LM head.
        source: int64 [B,S].
        source_mask: bool [B,S].
    """

    def __init__(self, model: PreTrainedModel, source: Tensor, source_mask: Tensor) -> None:
        self._model = model
        before, self._mask = left_padded(source, source_mask)
        # The body alone: no logits of a source are wanted.
        output = model.base_model(
            input_ids=before, attention_mask=self._mask.long(), position_ids=positions(self._mask), use_cache=True
        )
        self._cache = _cache_of(output)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        self._mask = F.pad(self._mask, (0, 1), value=True)
        output = self._model(
            input_ids=tokens[:, None],
            attention_mask=self._mask.long(),
            position_ids=positions(self._mask)[:, -1:],
            use_cache=True,
            **self._cache,
        )
        self._cache = _cache_of(output)
        logits: Tensor = output.logits[:, -1]
        return logits

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._mask = self._mask[rows]
        for cache in self._cache.values():
            cache.reorder_cache(rows)


def _cache_of(output: Any) -> dict[str, Any]:
    """Keys and values of a pass, as the next one takes them."""
    # transformers 5.24 renamed it, and warns of the name that earlier ones know.
    name = "cache" if "cache" in output else "past_key_values"
    return {name: output[name]}


class MarianDecoder:
    """A ``MarianMTModel``'s decoder without the library's overhead for each layer and token.

    The arithmetic is that of ``transformers`` (post-norm layers, sinusoidal positions), which a test compares; the
    gain is in one projection for query, key and value, and in keys and values that are written in place.

    Args:
        model: A ``MarianMTModel``.
        encoded: float [B,S,D].
        source_mask: bool [B,S].
    """

    def __init__(self, model: PreTrainedModel, encoded: Tensor, source_mask: Tensor) -> None:
        marian: Any = model
        decoder = marian.model.decoder
        self._embedding: nn.Embedding = decoder.embed_tokens
        self._scale: float = decoder.embed_scale
        self._positions: Tensor = decoder.embed_positions.weight
        self._head: Tensor = marian.lm_head.weight
        self._head_bias: Tensor = marian.final_logits_bias[0]
        bias = torch.zeros_like(source_mask, dtype=encoded.dtype).masked_fill_(~source_mask, -torch.inf)
        self._source_bias = bias[:, None, None]
        self._layers = [_MarianLayer(layer, encoded) for layer in decoder.layers]
        self._length = 0

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        hidden = self._embedding(tokens) * self._scale + self._positions[self._length]
        self._length += 1
        for layer in self._layers:
            hidden = layer.step(hidden, self._length, self._source_bias)
        return F.linear(hidden, self._head, self._head_bias)

    def keep(self, rows: Tensor) -> None:
        """See :class:`Decoder`."""
        self._source_bias = self._source_bias[rows]
        for layer in self._layers:
            layer.keep(rows, self._length)


class _MarianLayer:
    """One layer, with its rows' keys and values."""

    def __init__(self, layer: Any, encoded: Tensor) -> None:
        own, cross = layer.self_attn, layer.encoder_attn
        self._layer = layer
        self._heads: int = own.num_heads
        self._scaling: float = own.scaling
        # Copies, so the decoder must not outlive a training step; it lives for one call of sample or translate.
        self._weight = torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight])
        self._bias = torch.cat([own.q_proj.bias, own.k_proj.bias, own.v_proj.bias])
        heads = (*encoded.shape[:2], self._heads, -1)
        # Contiguous, because a batched product would otherwise copy them at every step. Both are [R,H,S,C].
        self._cross_key: Tensor = cross.k_proj(encoded).view(heads).transpose(1, 2).contiguous()
        self._cross_value: Tensor = cross.v_proj(encoded).view(heads).transpose(1, 2).contiguous()
        self._cache = encoded.new_empty(0)  # [2,capacity,R,H,C] from the first step on

    def step(self, hidden: Tensor, length: int, source_bias: Tensor) -> Tensor:
        """[R,D] to [R,D], the new token being number ``length``."""
        layer = self._layer
        written = layer.self_attn.out_proj(self._attend_to_prefix(hidden, length))
        hidden = layer.self_attn_layer_norm(hidden + written)
        read = layer.encoder_attn.out_proj(self._attend_to_source(hidden, source_bias))
        hidden = layer.encoder_attn_layer_norm(hidden + read)
        ffn_output = layer.fc2(layer.activation_fn(layer.fc1(hidden)))
        output: Tensor = layer.final_layer_norm(hidden + ffn_output)
        return output

    def keep(self, rows: Tensor, length: int) -> None:
        self._cross_key = self._cross_key.index_select(0, rows)
        self._cross_value = self._cross_value.index_select(0, rows)
        # Room for the next token at least, so that dropping rows and growing never copy the cache twice in one step.
        cache = self._cache
        self._cache = cache.new_empty(2, _capacity(length + 1), len(rows), *cache.shape[3:])
        torch.index_select(cache[:, :length], 2, rows, out=self._cache[:, :length])

    def _attend_to_prefix(self, hidden: Tensor, length: int) -> Tensor:
        projected = F.linear(hidden, self._weight, self._bias).view(len(hidden), 3, self._heads, -1)
        query, key, value = projected[:, 0], projected[:, 1], projected[:, 2]
        if not self._cache.numel():
            self._cache = query.new_empty(2, _capacity(length), *query.shape)
        elif length > self._cache.shape[1]:
            self._cache = torch.cat([self._cache, torch.empty_like(self._cache)], dim=1)
        self._cache[0, length - 1], self._cache[1, length - 1] = key, value
        keys, values = self._cache[0, :length], self._cache[1, :length]
        # One query a row: products and sums over [t,R,H,C] beat R*H tiny matrix products on a CPU.
        weights = torch.softmax((keys * (query * self._scaling)).sum(-1), dim=0)
        return (values * weights[..., None]).sum(0).flatten(1)

    def _attend_to_source(self, hidden: Tensor, source_bias: Tensor) -> Tensor:
        query: Tensor = self._layer.encoder_attn.q_proj(hidden).view(len(hidden), self._heads, 1, -1)
        weights = torch.softmax((query * self._scaling) @ self._cross_key.transpose(2, 3) + source_bias, dim=-1)
        return (weights @ self._cross_value).flatten(1)


def _capacity(length: int) -> int:
    """Tokens to make room for, of which ``length`` are known to come."""
    return -(-length // 16) * 16
