"""ILQL: implicit Q-learning for language, which shifts the logits of a cloned policy by the action values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from agents.agent import AgentConfig
from agents.expectile_agent import ExpectileAgent, ExpectileConfig
from agents.losses import expectile_loss
from agents.policy.action_values import with_action_head
from agents.policy.float32_heads import in_float32
from agents.policy.hidden_states import hidden_states
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.value import ValueNetwork
from buffers import TokenBatch
from seq2seq_env.models.decoder_start import decoder_inputs
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class ILQLConfig(ExpectileConfig):
    """The symbols of ILQL's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 4.0
    """Weight of the action values in the policy's logits, in units of 1 / reward, above 0."""
    cql_weight: float = 0.01
    """Weight ``alpha`` of the conservative term, 0 or more, which holds tokens that the data lacks below others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta")
        zero_or_more(self, "cql_weight")


class ILQLLoss(NamedTuple):
    """What :meth:`ILQL.loss` returns, each float32 []."""

    loss: Tensor
    """All of the losses, weighted."""
    q_loss: Tensor
    """``L_Q``, in squared units of reward."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    cql_loss: Tensor
    """``L_CQL`` per target token, nats."""
    nll: Tensor
    """Negative log-likelihood of the cloned policy per target token, nats."""


class ILQL(ExpectileAgent):
    """Implicit language Q-learning.

    Snell et al. 2022, arXiv 2206.11871::

        pi(a|s)  proportional to  pi_b(a|s) exp(beta (Q(s, a) - V(s)))
        L_Q   = mean (r_t + V'(s_{t+1}) - Q(s_t, a_t))^2
        L_V   = mean |tau - 1[u < 0]| u^2,  u = r_t + V'(s_{t+1}) - V(s_t)
        L_CQL = mean log sum_a exp Q(s_t, a) - Q(s_t, a_t)
        L     = L_Q + L_V + alpha L_CQL - mean log pi_b(a_t|s_t)

    ``pi_b`` and ``Q`` are two heads of one network, which is the policy: its logits are ``log pi_b + beta Q``, as ``V``
    shifts all tokens of a state alike. So it is sampled, saved and compared like every other. ``V`` has a network of
    its own, and the target network is ``V``'s: appending a token is deterministic, so ``r_t + V'`` is ``Q`` itself, as
    in :class:`agents.IQL`. The published code has two ``Q`` heads, takes the smaller, and a target network of both.
    """

    name: ClassVar[str] = "ilql"
    filters: ClassVar[bool] = False
    adapts: ClassVar[bool] = False  # which would leave its heads as they are
    Config: ClassVar[type[AgentConfig]] = ILQLConfig
    config: ILQLConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        policy.model = with_action_head(policy.model, 1.0, None, self.config.beta)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> ILQLLoss:
        """The equations above."""
        mask, chosen = batch.target_mask, batch.target[batch.target_mask]  # [B,T], [L]
        logits, q = self._heads(batch)  # [L,V] each
        states = self.policy.evaluate(batch)
        nll = -_taken(states.log_distribution_of(logits), chosen).mean()
        cql = -_taken(states.log_distribution_of(q), chosen).mean()
        value = self.value(batch)  # [B,T]
        target = self.q_targets(value, batch)  # [B,T]
        q_loss = ((target[mask] - _taken(q, chosen)) ** 2).mean()
        value_loss = expectile_loss(value, target, mask, self.config.expectile)
        return ILQLLoss(
            loss=q_loss + value_loss + self.config.cql_weight * cql + nll,
            q_loss=q_loss.detach(),
            value_loss=value_loss.detach(),
            cql_loss=cql.detach(),
            nll=nll.detach(),
        )

    def _heads(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Logits of ``pi_b``, float [L,V], and ``Q``, float32 [L,V], of each target token's state, row after row."""
        policy: Any = self.policy
        inputs = decoder_inputs(batch.target, policy.start)
        everywhere = hidden_states(policy.model.base_model, batch.source, batch.source_mask, inputs)
        hidden = everywhere[:, len(policy.start) - 1 :][batch.target_mask]  # [L,D]
        head = policy.model.lm_head
        return head.imitator(hidden), in_float32(head.scores, hidden)


def _taken(values: Tensor, chosen: Tensor) -> Tensor:
    """Float [L], of the tokens that were chosen."""
    return torch.gather(values, 1, chosen[:, None])[:, 0]
