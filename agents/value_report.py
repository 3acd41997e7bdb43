"""Value report: rank correlations (Kendall's tau, Spearman's rho) of values with the reward, by position."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from agents.value import ValueNetwork
from buffers import Slice

POSITIONS = {"first": 0.0, "quarter": 0.25, "half": 0.5, "three quarters": 0.75, "final": 1.0}
"""Shares of the way from the first target position to the last."""

TOKENS_PER_BATCH = 8_192


@dataclass(frozen=True)
class RankCorrelation:
    """Agreement of ``V(s_t)`` with the sequence's reward over many sequences; NaN where either never varies.

    Attributes:
        kendall: Kendall's tau-b, in [-1, 1].
        spearman: Spearman's rho, in [-1, 1].
    """

    kendall: float
    spearman: float


@dataclass(frozen=True)
class ValueReport:
    """Rank correlations by position, on the data learned from and on sources held out from it.

    Attributes:
        train: Position's name to correlation.
        held_out: The same for held-out sources.
    """

    train: dict[str, RankCorrelation]
    held_out: dict[str, RankCorrelation]

    def __str__(self) -> str:
        lines = ["value network, Kendall tau / Spearman rho with the reward:"]
        for name, correlations in (("training data", self.train), ("held-out sources", self.held_out)):
            if all(math.isnan(c.kendall) for c in correlations.values()):
                lines.append(f"  {name}: too few to rank")
                continue
            cells = (f"{position} {c.kendall:.3f} / {c.spearman:.3f}" for position, c in correlations.items())
            lines.append(f"  {name}: " + ", ".join(cells))
        return "\n".join(lines)


def rank_correlations(value: ValueNetwork, data: Slice, max_sequences: int = 5_000) -> dict[str, RankCorrelation]:
    """Correlations of ``V(s_t)`` with the reward at each of :data:`POSITIONS`.

    Args:
        value: In evaluation or training mode, which is the same to it.
        data: Scored.
        max_sequences: Drawn at random from the slice; more are left out.
    """
    data = data.drawn(max_sequences, seed=0)
    device = next(value.parameters()).device
    columns: dict[str, list[float]] = {name: [] for name in POSITIONS}
    rewards: list[float] = []
    with torch.inference_mode():
        for batch in data.batches(TOKENS_PER_BATCH, seed=0):
            values = value(batch.to(device)).cpu().numpy()
            last = batch.target_mask.sum(1).numpy() - 1
            rewards += batch.reward.tolist()
            for name, share in POSITIONS.items():
                places = np.rint(share * last).astype(np.int64)
                columns[name] += values[np.arange(len(values)), places].tolist()
    return {name: _correlation(np.array(values), np.array(rewards)) for name, values in columns.items()}


def _correlation(values: np.ndarray, rewards: np.ndarray) -> RankCorrelation:
    from scipy.stats import kendalltau, spearmanr

    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(rewards) == 0:
        return RankCorrelation(float("nan"), float("nan"))
    return RankCorrelation(float(kendalltau(values, rewards).statistic), float(spearmanr(values, rewards).statistic))
