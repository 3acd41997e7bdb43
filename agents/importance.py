"""What is stored with every trajectory: ``log mu`` of the policy that wrote it, and its reward.

Shape letters: B batch, T target length, L target tokens in all, V vocabulary.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agents.policy.teacher_forcing import chosen_log_probs, padded
from buffers import Slice, TokenBatch


def check_scored(name: str, data: Slice) -> None:
    """Refuse trajectories without rewards.

    Raises:
        ValueError: If any reward is missing.
    """
    missing = int(np.isnan(data.rewards).sum())
    if missing:
        raise ValueError(
            f"agent {name!r} needs rewards, {missing} of {len(data)} trajectories have none; grow a scored batch first"
        )


def check_log_probs(name: str, batch: TokenBatch) -> None:
    """Refuse a batch without the behaviour policy's log-probabilities.

    Raises:
        ValueError: If a target token has none.
    """
    missing = int(torch.isnan(batch.log_prob[batch.target_mask]).sum())
    if missing:
        raise ValueError(
            f"agent {name!r} needs the behaviour policy's log-probabilities, {missing} target tokens of a batch of "
            f"{len(batch)} have none; train it on grown trajectories, or choose an agent that does not need them"
        )


def log_ratio(log_pi: Tensor, batch: TokenBatch, temperature: float) -> Tensor:
    """``log pi(a_t|s_t) - log mu(a_t|s_t)``, both at the temperature of the sampling, without gradient.

    Args:
        log_pi: float32 [L,V] at temperature 1.
        batch: Holds ``log mu`` of each target token.
        temperature: That ``mu`` was sampled at.

    Returns:
        float32 [B,T], 0 at padding.
    """
    mask = batch.target_mask
    tempered = torch.log_softmax(log_pi.detach() / temperature, dim=-1)
    chosen = padded(chosen_log_probs(tempered, batch.target[mask]), mask)
    return (chosen - batch.log_prob).masked_fill(~mask, 0.0)
