"""Importance ratios ``pi / mu``, and checks that trajectories have the ``log mu`` and the reward that a loss needs.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from agents.policy.teacher_forcing import Evaluation
from agents.unusable_data import UnusableDataError
from buffers import Batches, Slice, TokenBatch


def check_scored(name: str, data: Slice) -> None:
    """Refuse trajectories without rewards.

    Raises:
        ValueError: If any reward is missing.
    """
    missing = int(np.isnan(data.rewards).sum())
    if missing:
        raise UnusableDataError(
            f"agent {name!r} needs rewards, {missing} of {len(data)} trajectories have none; grow a scored batch first"
        )


def check_log_probs(name: str, batch: TokenBatch) -> None:
    """Refuse a batch without the behaviour policy's log-probabilities.

    Raises:
        ValueError: If a target token has none.
    """
    missing = int(torch.isnan(batch.log_prob[batch.target_mask]).sum())
    if missing:
        raise UnusableDataError(
            f"agent {name!r} needs the behaviour policy's log-probabilities, {missing} target tokens of a batch of "
            f"{len(batch)} have none; train it on grown trajectories, or choose an agent that does not need them"
        )


def check_temperature(name: str, option: float | None, batch: TokenBatch) -> None:
    """Refuse a batch whose sampling temperature is unknown, or another than an agent's options say.

    Raises:
        ValueError: If it is.
    """
    recorded = batch.temperature[~torch.isnan(batch.temperature)]
    if option is None and len(recorded) < len(batch):
        raise UnusableDataError(
            f"agent {name!r} needs the temperature that its data was sampled at, and {len(batch) - len(recorded)} of "
            f"{len(batch)} trajectories record none; give the option behaviour_temperature, "
            "or leave them out"
        )
    if option is not None and bool((other := recorded[~torch.isclose(recorded, torch.tensor(option))]).any()):
        raise UnusableDataError(
            f"behaviour_temperature is {option}, and the data was sampled at {float(other[0]):g}; leave the option out"
        )


def known_ratios(name: str, temperature: float | None, batches: Batches) -> Batches:
    """The same batches, of which one is refused where log-probabilities or temperature of its sampling are unknown.

    Args:
        name: Of the agent.
        temperature: What the agent's options say of trajectories which record none.
        batches: Of an epoch.
    """
    return batches.checked(partial(check_log_probs, name)).checked(partial(check_temperature, name, temperature))


def log_ratio(policy: Evaluation, batch: TokenBatch, temperature: float | None = None) -> Tensor:
    """``log pi(a_t|s_t) - log mu(a_t|s_t)``, both at the temperature of the sampling, without gradient.

    ``log pi`` is that of the pass which trains, so that no pass more is needed; ``log mu`` was stored without dropout.
    Where the policy has not moved, the ratio is 1 but for the noise of a dropout that the pass has.

    Args:
        policy: Of the batch, at temperature 1.
        batch: Holds ``log mu`` of each target token, and the temperature that ``mu`` was sampled at.
        temperature: That of trajectories which record none.

    Returns:
        float32 [B,T], 0 at padding.
    """
    sampled = batch.temperature if temperature is None else batch.temperature.nan_to_num(temperature)
    return (policy.log_prob_at(sampled) - batch.log_prob).masked_fill(~batch.target_mask, 0.0)
