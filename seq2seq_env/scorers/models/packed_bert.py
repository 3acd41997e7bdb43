"""Packed BERT: a forward over pairs of all lengths, laid end to end instead of padded.

Shape letters: N pairs, L tokens of all pairs, D width, H heads, C = D / H, B pairs of one length, T that length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq_env.scorers.models.pairs import EncodedPair


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
        hidden = _layer(layer, hidden, hidden, groups)
    hidden = _layer(last, hidden, hidden[first], groups)  # [N,D]
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


def _layer(layer: Any, hidden: Tensor, queries: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
    """A layer's output at the queries: all tokens [L,D], or the first of each pair [N,D], of all tokens [L,D]."""
    attention, output = layer.attention, layer.output
    attended = attention.output.dense(_attend(attention.self, hidden, groups, len(queries) < len(hidden)))
    queries = attention.output.LayerNorm(queries + attended)
    ffn_output: Tensor = output.LayerNorm(queries + output.dense(layer.intermediate(queries)))
    return ffn_output


def _attend(attention: Any, hidden: Tensor, groups: Sequence[tuple[int, int]], first_only: bool) -> Tensor:
    """[L,D] to [L,D], or to [N,D] where only first positions are queries."""
    projections = (attention.query, attention.key, attention.value)
    weight = torch.cat([projection.weight for projection in projections])
    bias = torch.cat([projection.bias for projection in projections])
    projected = F.linear(hidden, weight, bias).split_with_sizes([pairs * length for pairs, length in groups])
    heads, width = attention.num_attention_heads, hidden.shape[1]
    attended = []
    for (pairs, length), part in zip(groups, projected, strict=True):
        query, key, value = part.view(pairs, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # [B,H,T,C]
        # Pairs of one length need no padding, so attention needs no mask.
        values = F.scaled_dot_product_attention(query[:, :, :1] if first_only else query, key, value)
        attended.append(values.transpose(1, 2).reshape(-1, width))
    return torch.cat(attended)
