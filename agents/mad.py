"""MAD: policy gradient with rewards standardised within a source and damped importance weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from agents.agent import AgentConfig
from agents.group_agent import GroupAgent
from agents.losses import sequence_log_prob, weighted_nll
from agents.online_agent import OnlineConfig, rollout_log_prob
from agents.policy_gradients import deviation_weights, standardised
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class MADConfig(OnlineConfig):
    """The symbols of MAD's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    importance_weight: bool = True
    """Whether the weight has the ratio ``u_i`` of a whole target beside the damping ``v_i``."""
    max_weight: float = 2.0
    """Upper bound of a target's weight ``w_i``, above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "max_weight")


class MADLoss(NamedTuple):
    """What :meth:`MAD.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss per target token."""
    reward: Tensor
    """Mean reward of the samples."""
    weight: Tensor
    """Mean weight ``w_i`` of a target."""


class MAD(GroupAgent):
    """Policy gradient of machine translation with rewards normalised within a source and robust importance weights.

    With several candidates of each source, ``mu`` the policy that sampled, ``pi`` and ``mu`` at the temperature of the
    sampling::

        A_i = (R_i - mean R) / std R                      over the source's candidates
        u_i = pi(y_i|x) / mu(y_i|x)
        v_i = exp(-|log mu(y_i|x) - m| / d)               m mean, d mean absolute deviation over the candidates
        w_i = min(u_i v_i, w_max)
        L   = -1/M sum_i w_i A_i log pi(y_i|x)

    ``w`` gets no gradient; ``M`` is the number of target tokens. A candidate much likelier or much less likely than the
    source's others counts less, so that neither the mode nor what was sampled by accident rules the gradient; it keeps
    entropy up. The exact form of the damping and the bound are this package's reading of the source's abstract. Donato
    et al. 2022, arXiv 2207.08583, the setup that the ReST paper's online comparison names.
    """

    name: ClassVar[str] = "mad"
    Config: ClassVar[type[AgentConfig]] = MADConfig
    config: MADConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> MADLoss:
        """The equations above, in order."""
        mask, group = batch.target_mask, batch.group
        advantage = standardised(batch.reward, group)  # [B]
        log_prob = rollout_log_prob(self.policy, batch)  # [B,T]
        log_mu = sequence_log_prob(batch.log_prob, mask)  # [B]
        weight = deviation_weights(log_mu, group)  # [B]
        if self.config.importance_weight:
            weight = weight * (sequence_log_prob(log_prob.detach(), mask) - log_mu).exp()
        weight = torch.clamp(weight, max=self.config.max_weight)  # [B]
        return MADLoss(
            loss=weighted_nll(log_prob, (weight * advantage)[:, None], mask),
            reward=batch.reward.mean(),
            weight=weight.mean(),
        )
