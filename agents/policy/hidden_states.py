"""The decoder's hidden states over given targets, which policies and value networks start from.

Shape letters: B batch, E sources that differ, S source length, T target length, D width, H heads, C = D / H, Q queries,
K keys or tokens of the decoder start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agents.policy.backends import attention_of, calls_layers
from agents.policy.dropout import dropout
from seq2seq_env.models.decoder_only import forward_arguments


def hidden_states(body: Any, source: Tensor, source_mask: Tensor, inputs: Tensor) -> Tensor:
    """The decoder's last hidden states over ``inputs``, which an LM head or a value head reads.

    Args:
        body: The base model of any Hugging Face encoder-decoder or decoder-only model. Marian's go through a forward of
            ours, which takes a tenth to a fifth of a training step's time less on a CPU.
        source: int64 [B,S].
        source_mask: bool [B,S].
        inputs: int64 [B,T], start token first.

    Returns:
        float [B,T,D].
    """
    # A compiler joins what this forward joins, and the library's layers are what is compiled, or sharded.
    if is_plain_marian(body) and not calls_layers(body):
        shared = _shared_sources(body, source, source_mask)
        if shared is None:
            return _decode(body.decoder, inputs, _encode(body.encoder, source, source_mask), source_mask)
        encoded = _encode(body.encoder, source[shared.first], source_mask[shared.first])
        return _decode(body.decoder, inputs, encoded, source_mask, shared.places)
    output = body(**forward_arguments(body.config, source, source_mask, inputs), use_cache=False)
    hidden: Tensor = output.last_hidden_state
    return hidden[:, -inputs.shape[1] :]


def is_plain_marian(body: Any) -> bool:
    """Whether the weights of a ``MarianModel``'s layers are all there is to it: no adapters, no layers to drop."""
    config = body.config
    if config.model_type != "marian" or config.encoder_layerdrop or config.decoder_layerdrop:
        return False
    layers = [*body.encoder.layers, *body.decoder.layers]
    attentions = [layer.self_attn for layer in layers] + [layer.encoder_attn for layer in body.decoder.layers]
    linear = [each for one in attentions for each in (one.q_proj, one.k_proj, one.v_proj, one.out_proj)]
    linear += [each for layer in layers for each in (layer.fc1, layer.fc2)]
    return all(type(each) is nn.Linear for each in linear)


class _SharedSources(NamedTuple):
    """Sources of several rows."""

    first: Tensor
    """int64 [E], a row of each different source."""
    places: Tensor
    """int64 [B], which of these each row's is."""


def _shared_sources(body: Any, source: Tensor, source_mask: Tensor) -> _SharedSources | None:
    """What a batch's rows share, as a source's candidates need one encoding; None where each row has its own.

    They have where each drops out by itself. A GPU would wait for the comparison, and could have encoded all by then.
    """
    config = body.config
    drops_out = config.dropout or config.attention_dropout or config.activation_dropout
    if source.device.type != "cpu" or (body.training and drops_out):
        return None
    number: dict[bytes, int] = {}
    tokens = source.masked_fill(~source_mask, -1).numpy()
    places = [number.setdefault(row.tobytes(), len(number)) for row in tokens]
    if len(number) == len(places):
        return None
    first = np.unique(places, return_index=True)[1]
    return _SharedSources(torch.from_numpy(first), torch.tensor(places))


def _encode(encoder: Any, source: Tensor, source_mask: Tensor) -> Tensor:
    """[B,S] to [B,S,D]."""
    hidden, bias = _embed(encoder, source), _bias(source_mask[:, None, None])
    for layer in encoder.layers:
        own = layer.self_attn
        query, key, value = _project(own, (own.q_proj, own.k_proj, own.v_proj), hidden)
        hidden = _add(layer, hidden, _attend(own, query, key, value, bias), layer.self_attn_layer_norm)
        hidden = _add(layer, hidden, _feed_forward(layer, hidden), layer.final_layer_norm)
    return hidden


def _decode(decoder: Any, inputs: Tensor, encoded: Tensor, source_mask: Tensor, places: Tensor | None = None) -> Tensor:
    """[B,T] to [B,T,D], each row by its own encoding, or by that of [E,S,D] at its place."""
    past = torch.ones(inputs.shape[1], inputs.shape[1], dtype=torch.bool, device=inputs.device).tril()
    hidden, causal, bias = _embed(decoder, inputs), _bias(past), _bias(source_mask[:, None, None])
    for layer in decoder.layers:
        own, cross = layer.self_attn, layer.encoder_attn
        query, key, value = _project(own, (own.q_proj, own.k_proj, own.v_proj), hidden)
        hidden = _add(layer, hidden, _attend(own, query, key, value, causal), layer.self_attn_layer_norm)
        [query] = _project(cross, (cross.q_proj,), hidden)
        key, value = _project(cross, (cross.k_proj, cross.v_proj), encoded)
        if places is not None:
            key, value = key.index_select(0, places), value.index_select(0, places)
        hidden = _add(layer, hidden, _attend(cross, query, key, value, bias), layer.encoder_attn_layer_norm)
        hidden = _add(layer, hidden, _feed_forward(layer, hidden), layer.final_layer_norm)
    return hidden


def _embed(stack: Any, tokens: Tensor) -> Tensor:
    embedded = stack.embed_tokens(tokens) * stack.embed_scale + stack.embed_positions.weight[: tokens.shape[1]]
    return dropout(embedded, stack.dropout, stack.training)


def _bias(mask: Tensor) -> Tensor:
    """0 where attention may look, and the least number elsewhere, so that a row with nothing to see stays finite."""
    least = torch.finfo(torch.float32).min
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, least)


def _project(attention: Any, projections: tuple[nn.Linear, ...], hidden: Tensor) -> list[Tensor]:
    """[B,Q,D] to [B,H,Q,C] for each projection, by one product for all of them."""
    # The copies cost less than a product for each projection, and their gradients flow back to the originals.
    weight = torch.cat([projection.weight for projection in projections])
    bias = torch.cat([projection.bias for projection in projections])
    heads = (*hidden.shape[:2], len(projections), attention.num_heads, -1)
    # Contiguous, because the batched products would otherwise copy each by itself.
    return list(F.linear(hidden, weight, bias).view(heads).permute(2, 0, 3, 1, 4).contiguous().unbind())


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """[B,H,Q,C], [B,H,K,C] twice and a bias for [B,H,Q,K], to [B,Q,D]."""
    if attention_of(attention) == "sdpa":
        share = attention.dropout if attention.training else 0.0
        bias = bias.clamp(min=torch.finfo(query.dtype).min).to(query.dtype)  # which would be -inf in bfloat16
        attended = F.scaled_dot_product_attention(query, key, value, bias, share, scale=attention.scaling)
    else:
        weights = torch.softmax((query * attention.scaling) @ key.transpose(2, 3) + bias, dim=-1)
        attended = dropout(weights, attention.dropout, attention.training) @ value
    read: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(2))
    return read


def _feed_forward(layer: Any, hidden: Tensor) -> Tensor:
    inner = dropout(layer.activation_fn(layer.fc1(hidden)), layer.activation_dropout, layer.training)
    ffn_output: Tensor = layer.fc2(inner)
    return ffn_output


def _add(layer: Any, hidden: Tensor, change: Tensor, norm: nn.LayerNorm) -> Tensor:
    added: Tensor = norm(hidden + dropout(change, layer.dropout, layer.training))
    return added
