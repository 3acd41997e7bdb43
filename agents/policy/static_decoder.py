"""Marian's decoder with buffers of fixed shapes: a step is the same operators at the same addresses every time.

So a GPU can replay it as one CUDA graph, without the launch of each operator. On a CPU the same step runs by itself.

Shape letters: B sources, R rows at most, r rows being written, S source length at most, T tokens at most, D width,
H heads, C = D / H, V vocabulary.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from agents.policy.marian_decoder import LayerWeights, MarianWeights


class StaticMarianDecoder:
    """A :class:`agents.policy.decoders.Decoder` that is opened again for every batch of sources.

    All R rows and T tokens are computed at every step, whatever is being written: what is not is masked, or not read.

    Args:
        weights: Of the network.
        rows: R.
        source_length: S.
        max_length: T, the decoder start included.
    """

    def __init__(self, weights: MarianWeights, rows: int, source_length: int, max_length: int) -> None:
        self.rows, self.source_length, self.max_length = rows, source_length, max_length
        self._weights = weights
        device = weights.positions.device
        self._tokens = torch.zeros(rows, dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._places = torch.arange(max_length, device=device)
        self._source_bias = torch.zeros(rows, 1, 1, source_length, device=device)
        self._layers = [_LayerBuffers(layer, self) for layer in weights.layers]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logits: Tensor | None = None

    def open(self, encoded: Tensor, source_mask: Tensor) -> Self:
        """With a row for each source and nothing written; what was written before is forgotten.

        Args:
            encoded: float [B,s,D], B at most R and s at most S.
            source_mask: bool [B,s].
        """
        batch, length = source_mask.shape
        self._position.zero_()
        self._source_bias[:batch] = -torch.inf
        self._source_bias[:batch, 0, 0, :length].masked_fill_(source_mask, 0.0)
        for layer in self._layers:
            layer.open(encoded)
        return self

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`agents.policy.decoders.Decoder`; the logits are those of the next call, too."""
        self._tokens[: len(tokens)] = tokens
        if self._tokens.device.type != "cuda":
            self._logits = self._step()
        elif self._graph is None:
            self._capture()
        if self._graph is not None:
            self._graph.replay()
        assert self._logits is not None
        return self._logits[: len(tokens)]

    def keep(self, rows: Tensor) -> None:
        """See :class:`agents.policy.decoders.Decoder`."""
        for buffer in (self._source_bias, *(buffer for layer in self._layers for buffer in layer.by_row)):
            buffer[: len(rows)] = buffer.index_select(0, rows)

    def _capture(self) -> None:
        """The step as a graph; what it computes while it is captured is written again by the first replay."""
        before = self._position.clone()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries choose and allocate at a first run, which no graph may hold
            self._step()
        torch.cuda.current_stream().wait_stream(side)
        self._position.copy_(before)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = self._step()

    def _step(self) -> Tensor:
        """Float [R,V], of all rows; the position moves on."""
        weights = self._weights
        hidden = weights.embedding(self._tokens) * weights.scale + weights.positions.index_select(0, self._position)
        future = torch.zeros_like(self._places, dtype=hidden.dtype).masked_fill(
            self._places > self._position, -torch.inf
        )
        for layer in self._layers:
            hidden = layer.step(hidden, self._position, future, self._source_bias)
        self._position += 1
        return weights.head(hidden)


class _LayerBuffers:
    """One layer's keys and values: of what is written [R,H,T,C], and of each row's source [R,H,S,C]."""

    def __init__(self, weights: LayerWeights, decoder: StaticMarianDecoder) -> None:
        self._weights = weights
        width, device = len(weights.norms[0][0]), weights.norms[0][0].device
        shape = (decoder.rows, weights.heads, decoder.max_length, width // weights.heads)
        source_shape = (*shape[:2], decoder.source_length, shape[3])
        # Zero and not empty: 0 times what a row without an owner holds must not be NaN.
        self._key, self._value = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._source_key = torch.zeros(source_shape, device=device)
        self._source_value = torch.zeros(source_shape, device=device)

    @property
    def by_row(self) -> tuple[Tensor, ...]:
        """All buffers, [R, ...]."""
        return self._key, self._value, self._source_key, self._source_value

    def open(self, encoded: Tensor) -> None:
        """Take the sources, float [B,s,D]."""
        batch, length, _ = encoded.shape
        projected = self._weights.project_source(encoded.flatten(0, 1)).view(batch, length, 2, self._weights.heads, -1)
        key, value = projected.permute(2, 0, 3, 1, 4)
        self._source_key[:batch, :, :length] = key
        self._source_value[:batch, :, :length] = value

    def step(self, hidden: Tensor, position: Tensor, future: Tensor, source_bias: Tensor) -> Tensor:
        """[R,D] to [R,D]; ``future`` [T] is added to the attention's logits."""
        weights = self._weights
        query, key, value = weights.project(hidden).view(len(hidden), 3, weights.heads, 1, -1).unbind(1)  # [R,H,1,C]
        self._key.index_copy_(2, position, key)
        self._value.index_copy_(2, position, value)
        written = self._attend(query, self._key, self._value, future)
        hidden = weights.norm(0, hidden + weights.output(written))
        query = weights.query(hidden).view(len(hidden), weights.heads, 1, -1)
        read = self._attend(query, self._source_key, self._source_value, source_bias)
        hidden = weights.norm(1, hidden + weights.source_output(read))
        return weights.norm(2, hidden + weights.outer(weights.activation(weights.inner(hidden))))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        shares = torch.softmax((query * self._weights.scaling) @ key.transpose(2, 3) + bias, dim=-1)
        return (shares @ value).flatten(1)
