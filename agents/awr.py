"""AWR: behaviour cloning weighted by the exponential of the advantage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from agents.agent import AgentConfig
from agents.losses import value_loss, weighted_nll
from agents.returns import lambda_returns
from agents.value_agent import ValueAgent, ValueConfig
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class AWRConfig(ValueConfig):
    """The symbols of AWR's equations."""

    beta: float = 0.1
    """Temperature of the advantages, in units of reward, above 0."""
    max_weight: float = 20.0
    """Upper bound of a token's weight (arXiv 1910.00177)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta", "max_weight")


class AWRLoss(NamedTuple):
    """What :meth:`AWR.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and value loss."""
    policy_loss: Tensor
    """Policy loss per target token, nats."""
    value_loss: Tensor
    """Value loss, in squared units of reward."""
    weight: Tensor
    """Mean weight of a target token."""


class AWR(ValueAgent):
    """Advantage-weighted regression.

    ``L(theta) = -1/M sum_(x,y) sum_t min(exp(A_t / beta), w_max) log pi_theta(a_t|s_t)``

    ``L(phi) = 1/M sum_(x,y) sum_t (G_t - V_phi(s_t))^2``, ``A_t = G_t - V(s_t)``, ``G_t`` the lambda-return.

    It keeps all data and lets the weight filter. Peng et al. 2019, arXiv 1910.00177, on tokens.
    """

    name: ClassVar[str] = "awr"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = AWRConfig
    config: AWRConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> AWRLoss:
        """The equation above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        value = self.value(batch)  # [B,T]
        target = lambda_returns(value, batch.reward, mask, self.config.td_lambda)  # [B,T]
        weight = ((target - value.detach()) / self.config.beta).exp().clamp(max=self.config.max_weight)  # [B,T]
        policy_loss = weighted_nll(log_prob, weight, mask)
        regression = value_loss(value, target, mask)
        return AWRLoss(
            loss=policy_loss + regression,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            weight=torch.where(mask, weight, 0.0).sum() / mask.sum().clamp(min=1),
        )
