"""Implicit Q-learning for language: the value of the better actions in the data, and a policy drawn towards them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.expectile_agent import ExpectileAgent, ExpectileConfig
from agents.losses import expectile_loss, weighted_nll
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class IQLConfig(ExpectileConfig):
    """The symbols of implicit Q-learning's equations."""

    beta: float = 10.0
    """Inverse temperature of the advantages in the policy's weights; arXiv 2110.06169, equation 7."""
    max_weight: float = 20.0
    """Upper bound of a token's weight."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta", "max_weight")


class IQLLoss(NamedTuple):
    """What :meth:`IQL.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and value loss."""
    policy_loss: Tensor
    """``L_pi`` per target token."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    advantage: Tensor
    """Mean of ``Q - V``."""


class IQL(ExpectileAgent):
    """Implicit Q-learning over tokens, with the policy extracted by advantage weights.

    Kostrikov et al. 2021, arXiv 2110.06169, on the token-level process of ILQL (Snell et al. 2022, arXiv 2206.11871)::

        Q(s_t, a_t) = r_t + V'(s_{t+1})
        L_V         = mean |tau - 1[u < 0]| u^2,  u = Q(s_t, a_t) - V(s_t)              equation 5
        L_pi        = -mean min(exp(beta (Q(s_t, a_t) - V(s_t))), w_max) log pi(a_t|s_t)  equation 7
        V'          = (1 - alpha) V' + alpha V after each step                          algorithm 1

    Appending a token is deterministic, so the first line holds exactly, and the network of ``Q`` and its regression
    (equation 6) fall away, and with them the head as wide as the vocabulary that the paper found to hurt. What the
    published algorithm bootstraps from, the target network of ``Q``, is here that of ``V``: ``V'`` starts each Improve
    step as ``V``. ILQL shifts the logits of a policy while decoding (:class:`agents.ILQL`); here the policy itself is
    trained.
    """

    name: ClassVar[str] = "iql"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = IQLConfig
    config: IQLConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> IQLLoss:
        """The equations above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        value = self.value(batch)  # [B,T]
        q = self.q_targets(value, batch)  # [B,T]
        regression = expectile_loss(value, q, mask, self.config.expectile)
        advantage = q - value.detach()  # [B,T]
        weight = (self.config.beta * advantage).exp().clamp(max=self.config.max_weight)  # [B,T]
        policy_loss = weighted_nll(log_prob, weight, mask)
        return IQLLoss(
            loss=policy_loss + regression,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            advantage=advantage[mask].mean(),
        )
