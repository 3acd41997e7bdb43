"""Packed BERT: a forward over pairs of all lengths, laid end to end instead of padded.

Shape letters: N pairs, L tokens of all pairs, D width, H heads, C = D / H, B pairs of one length, T that length,
P positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


def bert_logits(model: Any, pairs: Sequence[EncodedPair]) -> Tensor:
    """The network's one output for each pair, to 1e-6 what its own forward gives.

    Only attention goes by length; all other layers see every token at once. Of the last layer only the first position
    of a pair is computed, because nothing else is read.

    Args:
        model: A network that :func:`is_plain_bert` takes, with one output.
        pairs: N, sorted by length.

    Returns:
        float32 [N].
    """
    lengths = [len(pair.tokens) for pair in pairs]
    groups = [(len(list(same)), length) for length, same in groupby(lengths)]  # [(B, T)]
    bert, device = model.bert, model.device
    ends = torch.tensor(lengths, device=device).cumsum(0)
    first = ends - torch.tensor(lengths, device=device)  # [N]
    hidden = _embed(bert, pairs, device)  # [L,D]
    *layers, last = bert.encoder.layer
    for layer in layers:
        hidden = _layer(layer, hidden, _attend(layer.attention.self, hidden, groups))
    queries = hidden[first]
    hidden = _layer(last, queries, _attend_first(last.attention.self, hidden, queries, groups))  # [N,D]
    logits: Tensor = model.classifier(bert.pooler(hidden[:, None]))
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


def _layer(layer: Any, hidden: Tensor, attended: Tensor) -> Tensor:
    """A layer's output of positions [P,D] and what they attended to, [P,D]."""
    attention, output = layer.attention.output, layer.output
    hidden = attention.LayerNorm(_add_linear(hidden, attention.dense, attended))
    blocks = -(-len(hidden) // FFN_ROWS) if hidden.device.type == "cpu" else 1
    parts = [_add_linear(part, output.dense, layer.intermediate(part)) for part in hidden.chunk(blocks)]
    ffn_output: Tensor = output.LayerNorm(torch.cat(parts))
    return ffn_output


def _add_linear(hidden: Tensor, linear: nn.Linear, values: Tensor) -> Tensor:
    """``hidden + linear(values)``, the sum within the matrix product: one pass over memory in place of three."""
    return (hidden + linear.bias).addmm_(values, linear.weight.t())


def _attend(attention: Any, hidden: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    """[L,D] to [L,D]."""
    projections = (attention.query, attention.key, attention.value)
    weight = torch.cat([projection.weight for projection in projections])
    bias = torch.cat([projection.bias for projection in projections])
    projected = F.linear(hidden, weight, bias).split_with_sizes([pairs * length for pairs, length in groups])
    heads, width = attention.num_attention_heads, hidden.shape[1]
    attended = []
    for (pairs, length), part in zip(groups, projected, strict=True):
        query, key, value = part.view(pairs, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # [B,H,T,C]
        # Pairs of one length need no padding, so attention needs no mask.
        values = F.scaled_dot_product_attention(query, key, value)
        attended.append(values.transpose(1, 2).reshape(-1, width))
    return torch.cat(attended)


def _attend_first(attention: Any, hidden: Tensor, queries: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    """What the first position of each pair, [N,D], attends to of all tokens [L,D]: [N,D].

    One query a pair is cheaper to bring into the space of the hidden states than all tokens into that of keys and
    values: ``q . (W h + b)`` is ``(q W) . h`` and a constant, which the softmax takes away, and the weighted mean of
    values is the value of the weighted mean.
    """
    heads, (rows, width) = attention.num_attention_heads, queries.shape
    by_head = (heads, width // heads, width)
    query = attention.query(queries).view(rows, heads, -1).transpose(0, 1)  # [H,N,C]
    query = torch.bmm(query, attention.key.weight.view(by_head)).transpose(0, 1)  # [N,H,D]
    means = []
    tokens_of = hidden.split_with_sizes([pairs * length for pairs, length in groups])
    query_of = query.split_with_sizes([pairs for pairs, _ in groups])
    for (pairs, length), part, asked in zip(groups, tokens_of, query_of, strict=True):
        tokens = part.view(pairs, length, width)  # [B,T,D]
        weights = (torch.bmm(asked, tokens.transpose(1, 2)) * by_head[1] ** -0.5).softmax(-1)  # [B,H,T]
        means.append(torch.bmm(weights, tokens))  # [B,H,D]
    mean = torch.cat(means).transpose(0, 1)  # [H,N,D]
    values = torch.bmm(mean, attention.value.weight.view(by_head).transpose(1, 2))  # [H,N,C]
    attended: Tensor = values.transpose(0, 1).reshape(rows, width) + attention.value.bias
    return attended
