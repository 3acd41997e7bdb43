"""The small network that judges what translation models say of a pair.

Shape letters: N pairs, T tokens of a text, F features of a token, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils.rnn import pad_sequence

from seq2seq_env.scorers.predictor import NUMBERS, Predictor


class Features(NamedTuple):
    """What the translation models say of one pair."""

    forward: Tensor
    """Of the hypothesis's tokens given the source, float32 [T,F]."""
    backward: Tensor
    """Of the source's tokens given the hypothesis, float32 [T,F]."""


class EstimatorHead(nn.Module):
    """From token features to one number a pair: an MLP on each token, mean and maximum over the tokens, an MLP.

    Args:
        forward_width: F of the forward model.
        backward_width: F of the backward model.
        width: W.
        dropout: Share of the features dropped in training.
    """

    def __init__(self, forward_width: int, backward_width: int, width: int = 128, dropout: float = 0.2) -> None:
        super().__init__()
        self.sizes = {"forward_width": forward_width, "backward_width": backward_width, "width": width}
        self.token = nn.ModuleList(_TokenNetwork(each, width, dropout) for each in (forward_width, backward_width))
        # Beside what the tokens say, means and sums of the numbers, and both lengths.
        self.pair = nn.Sequential(
            nn.Linear(4 * width + 2 * (2 * NUMBERS + 1), width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )

    def forward(self, pairs: Sequence[Features]) -> Tensor:
        """Logits, float32 [N]."""
        sides = [network(list(side)) for network, side in zip(self.token, zip(*pairs, strict=True), strict=True)]
        logits: Tensor = self.pair(torch.cat(sides, dim=-1)).squeeze(-1)
        return logits


class _TokenNetwork(nn.Module):
    """[T,F] of each pair to one row of 2 W + 2 NUMBERS + 1."""

    def __init__(self, features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features - NUMBERS)
        self.first, self.second = nn.Linear(features, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: list[Tensor]) -> Tensor:
        lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
        padded = pad_sequence(rows, batch_first=True)  # [N,T,F]
        mask = (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None])[..., None]
        hidden, numbers = padded[..., :-NUMBERS], padded[..., -NUMBERS:]
        inputs = torch.cat([self.dropout(self.norm(hidden)), numbers], dim=-1)
        thought = self.second(self.dropout(gelu(self.first(inputs))))  # [N,T,W]
        count = lengths[:, None].float()
        mean, most = (thought * mask).sum(1) / count, thought.masked_fill(~mask, -torch.inf).amax(1)
        total = (numbers * mask).sum(1)
        return torch.cat([mean, most, total / count, total / 10, count / 10], dim=-1)


def features(
    forward: Predictor, backward: Predictor, sources: Sequence[str], hypotheses: Sequence[str], tokens_per_batch: int
) -> list[Features]:
    """What both models say of N pairs."""
    ahead = forward.features(sources, hypotheses, tokens_per_batch)
    back = backward.features(hypotheses, sources, tokens_per_batch)
    return [Features(one, other) for one, other in zip(ahead, back, strict=True)]
