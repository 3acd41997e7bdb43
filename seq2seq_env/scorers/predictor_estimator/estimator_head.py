"""Estimator head: the small network that makes a score of the translation models' features of a pair.

Shape letters: N pairs, T tokens of a text, F numbers of a token, A of the agreement, P of a pair, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils.rnn import pad_sequence

from seq2seq_env.scorers.predictor_estimator.predictor import TOKEN_FEATURES, Predictor
from seq2seq_env.scorers.predictor_estimator.pseudo_references import AGREEMENT_FEATURES, PseudoReferences


class Features(NamedTuple):
    """What the translation models say of one pair."""

    forward: Tensor
    """Of the hypothesis's tokens given the source, float32 [T,F]."""
    backward: Tensor
    """Of the source's tokens given the hypothesis, float32 [T,F]."""
    agreement: Tensor
    """Of the hypothesis with the forward model's own translations, float32 [A]."""

    def numbers(self) -> Tensor:
        """The agreement, means and sums over the tokens, the least likely token, and lengths: float32 [P]."""
        sides = self.forward, self.backward
        lengths = torch.tensor([len(self.forward) / len(self.backward), len(self.forward)])
        parts = [self.agreement, lengths]
        for side in sides:
            parts += [side.mean(0), side.sum(0), side[:, :1].amin(0)]
        return torch.cat(parts)


PAIR_FEATURES = AGREEMENT_FEATURES + 2 + 2 * (2 * TOKEN_FEATURES + 1)
"""P."""


class EstimatorHead(nn.Module):
    """From features to one number per pair: what is linear in the pair's numbers, and what an MLP adds.

    The MLP reads them beside mean and maximum over the tokens of an MLP on each token.

    Args:
        width: W.
        dropout: Share of the features dropped in training.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.token = nn.ModuleList(_TokenNetwork(width, dropout) for _ in range(2))
        self.linear = nn.Linear(PAIR_FEATURES, 1)
        self.pair = nn.Sequential(
            nn.Linear(4 * width + PAIR_FEATURES, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )
        self.register_buffer("mean", torch.zeros(PAIR_FEATURES))
        self.register_buffer("spread", torch.ones(PAIR_FEATURES))

    def standardise(self, pairs: Sequence[Features]) -> None:
        """Bring the numbers of pairs to mean 0 and standard deviation 1, these ones' and from now on all others' so."""
        numbers = torch.stack([pair.numbers() for pair in pairs])
        self.mean.copy_(numbers.mean(0))
        self.spread.copy_(numbers.std(0).clamp(min=1e-6))

    def forward(self, pairs: Sequence[Features]) -> Tensor:
        """Logits, float32 [N]."""
        numbers = (torch.stack([pair.numbers() for pair in pairs]) - self.mean) / self.spread
        texts = [pair.forward for pair in pairs], [pair.backward for pair in pairs]
        sides = [network(rows) for network, rows in zip(self.token, texts, strict=True)]
        logits: Tensor = self.linear(numbers) + self.pair(torch.cat([*sides, numbers], dim=-1))
        return logits.squeeze(-1)


class _TokenNetwork(nn.Module):
    """[T,F] of each pair to one row of 2 W."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(TOKEN_FEATURES, width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: list[Tensor]) -> Tensor:
        lengths = torch.tensor([len(row) for row in rows])
        padded = pad_sequence(rows, batch_first=True)  # [N,T,F]
        mask = (torch.arange(padded.shape[1]) < lengths[:, None])[..., None]
        hidden = self.second(self.dropout(gelu(self.first(padded))))  # [N,T,W]
        mean, most = (hidden * mask).sum(1) / lengths[:, None], hidden.masked_fill(~mask, -torch.inf).amax(1)
        return torch.cat([mean, most], dim=-1)


def features(
    forward: Predictor,
    backward: Predictor,
    own: PseudoReferences,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    tokens_per_batch: int,
) -> list[Features]:
    """What both models say of N pairs; ``own`` holds the forward model's translations."""
    ahead = forward.features(sources, hypotheses, tokens_per_batch)
    back = backward.features(hypotheses, sources, tokens_per_batch)
    return [
        Features(*each) for each in zip(ahead, back, own.agreement(sources, hypotheses, tokens_per_batch), strict=True)
    ]
