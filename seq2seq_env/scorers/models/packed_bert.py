"""Packed BERT: a forward over pairs of all lengths, laid end to end instead of padded.

Shape letters: N pairs, L tokens of all pairs, D width, H heads, C = D / H, B pairs of one length, T that length,
P positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq_env.models.low_precision import linear_product
from seq2seq_env.models.low_precision_names import Arithmetic
from seq2seq_env.scorers.models.pairs import EncodedPair

FFN_ROWS = 256
"""Positions of one pass through a feed-forward network on a CPU at most, so that its wide layer stays in the cache."""


def is_plain_bert(model: Any) -> bool:
    """Whether the weights are all there is to a ``BertForSequenceClassification``: no adapters, no decoder."""
    if type(model).__name__ != "BertForSequenceClassification" or model.config.is_decoder:
        return False
    projections = ("query", "key", "value", "dense")
    modules = [module for name, module in model.named_modules() if name.rpartition(".")[2] in projections]
    return all(type(module) is nn.Linear for module in modules)


class PackedBert:
    """A network that :func:`is_plain_bert` takes, with one output, and products of its layers in an arithmetic.

    Only attention goes by length; all other layers see every token at once. Of the last layer only the first position
    of a pair is computed, because nothing else is read. In float32 it is to 1e-6 what the network's own forward gives.

    Args:
        model: The network, where it is to compute.
        arithmetic: Of the linear layers; embeddings, norms, attention and the head stay in float32.
    """

    def __init__(self, model: Any, arithmetic: Arithmetic) -> None:
        self._model = model
        *layers, last = [_Layer(layer, arithmetic) for layer in model.bert.encoder.layer]
        self._layers, self._last = layers, last

    def logits(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """The network's output for each of N pairs that are sorted by length, float32 [N]."""
        model = self._model
        lengths = [len(pair.tokens) for pair in pairs]
        groups = [(len(list(same)), length) for length, same in groupby(lengths)]  # [(B, T)]
        ends = torch.tensor(lengths, device=model.device).cumsum(0)
        first = ends - torch.tensor(lengths, device=model.device)  # [N]
        hidden = _embed(model.bert, pairs, model.device)  # [L,D]
        for layer in self._layers:
            hidden = layer.output(hidden, layer.attend(hidden, groups))
        queries = hidden[first]
        hidden = self._last.output(queries, self._last.attend_first(hidden, queries, groups))  # [N,D]
        logits: Tensor = model.classifier(model.bert.pooler(hidden[:, None]))
        return logits.squeeze(-1)


def _embed(bert: Any, pairs: Sequence[EncodedPair], device: torch.device) -> Tensor:
    """[L,D]."""
    tokens = [token for pair in pairs for token in pair.tokens]
    places = [place for pair in pairs for place in range(len(pair.tokens))]
    one_segment = bert.config.type_vocab_size == 1
    segments = [0] * len(tokens) if one_segment else [segment for pair in pairs for segment in pair.segments]
    rows = torch.tensor([tokens, segments, places], device=device)
    table = bert.embeddings
    hidden: Tensor = table.LayerNorm(
        table.word_embeddings(rows[0]) + table.token_type_embeddings(rows[1]) + table.position_embeddings(rows[2])
    )
    return hidden


class _Layer:
    """One layer, its products made once."""

    def __init__(self, layer: Any, arithmetic: Arithmetic) -> None:
        self._layer, self._attention = layer, layer.attention.self
        projections = (self._attention.query, self._attention.key, self._attention.value)
        weight = torch.cat([projection.weight for projection in projections])
        bias = torch.cat([projection.bias for projection in projections])
        self._project = linear_product(weight, bias, arithmetic)
        inner = layer.intermediate.dense
        self._inner = linear_product(inner.weight, inner.bias, arithmetic)
        self._add_attended = _sum_with(layer.attention.output.dense, arithmetic)
        self._add_inner = _sum_with(layer.output.dense, arithmetic)

    def output(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """Of positions [P,D] and what they attended to, [P,D]."""
        layer = self._layer
        hidden = layer.attention.output.LayerNorm(self._add_attended(hidden, attended))
        blocks = -(-len(hidden) // FFN_ROWS) if hidden.device.type == "cpu" else 1
        activation = layer.intermediate.intermediate_act_fn
        parts = [self._add_inner(part, activation(self._inner(part))) for part in hidden.chunk(blocks)]
        ffn_output: Tensor = layer.output.LayerNorm(torch.cat(parts))
        return ffn_output

    def attend(self, hidden: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        """[L,D] to [L,D]."""
        heads, width = self._attention.num_attention_heads, hidden.shape[1]
        projected = self._project(hidden).split_with_sizes([pairs * length for pairs, length in groups])
        attended = []
        for (pairs, length), part in zip(groups, projected, strict=True):
            query, key, value = part.view(pairs, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # [B,H,T,C]
            # Pairs of one length need no padding, so attention needs no mask.
            values = F.scaled_dot_product_attention(query, key, value)
            attended.append(values.transpose(1, 2).reshape(-1, width))
        return torch.cat(attended)

    def attend_first(self, hidden: Tensor, queries: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        """What the first position of each pair, [N,D], attends to of all tokens [L,D]: [N,D].

        One query a pair is cheaper to bring into the space of the hidden states than all tokens into that of keys and
        values: ``q . (W h + b)`` is ``(q W) . h`` and a constant, which the softmax takes away, and the weighted mean
        of values is the value of the weighted mean.
        """
        heads, (rows, width) = self._attention.num_attention_heads, queries.shape
        by_head = (heads, width // heads, width)
        query = self._attention.query(queries).view(rows, heads, -1).transpose(0, 1)  # [H,N,C]
        query = torch.bmm(query, self._attention.key.weight.view(by_head)).transpose(0, 1)  # [N,H,D]
        means = []
        tokens_of = hidden.split_with_sizes([pairs * length for pairs, length in groups])
        query_of = query.split_with_sizes([pairs for pairs, _ in groups])
        for (pairs, length), part, asked in zip(groups, tokens_of, query_of, strict=True):
            tokens = part.view(pairs, length, width)  # [B,T,D]
            weights = (torch.bmm(asked, tokens.transpose(1, 2)) * by_head[1] ** -0.5).softmax(-1)  # [B,H,T]
            means.append(torch.bmm(weights, tokens))  # [B,H,D]
        mean = torch.cat(means).transpose(0, 1)  # [H,N,D]
        values = torch.bmm(mean, self._attention.value.weight.view(by_head).transpose(1, 2))  # [H,N,C]
        attended: Tensor = values.transpose(0, 1).reshape(rows, width) + self._attention.value.bias
        return attended


def _sum_with(linear: nn.Linear, arithmetic: Arithmetic) -> Callable[[Tensor, Tensor], Tensor]:
    """``hidden + linear(values)``, in float32 within the matrix product: one pass over memory in place of three."""
    if arithmetic == "float32":
        return lambda hidden, values: (hidden + linear.bias).addmm_(values, linear.weight.t())
    product = linear_product(linear.weight, linear.bias, arithmetic)
    return lambda hidden, values: hidden + product(values)
