"""Q-BVE: action values of the behaviour policy, and one step of greedy improvement on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.losses import ranking_loss
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class QBVEConfig(AgentConfig):
    """The symbols of the equations.

    Raises:
        ValueError: If a value is out of range.
    """

    q_temperature: float = 0.1
    """Temperature of the policy ``softmax(Q / q_temperature)``, in units of reward, above 0; it sets the scale at which
    logits begin as values, too."""
    ranking_weight: float = 0.1
    """Weight ``lambda`` of the ranking regulariser; 0 for none."""
    margin: float = 0.05
    """Margin ``nu``, in units of reward, by which a token of the data is to beat every other (arXiv 2103.09575)."""

    def __post_init__(self) -> None:
        above_zero(self, "q_temperature")
        zero_or_more(self, "ranking_weight", "margin")


class QBVELoss(NamedTuple):
    """What :meth:`QBVE.loss` returns, each float32 []."""

    loss: Tensor
    """Value loss and weighted ranking loss."""
    value_loss: Tensor
    """Mean squared error of ``c + Q(s_t, a_t)``, in squared units of reward."""
    ranking_loss: Tensor
    """Ranking regulariser per target token, in squared units of reward."""


class QBVE(LossAgent):
    """Regularised behaviour value estimation with action values: R-BVE.

    ``L(theta) = 1/M sum_(x,y) sum_t (R(x, y) - c - Q(s_t, a_t))^2 + lambda C``, ``pi(a|s) = softmax(Q(s, .) / tau)``

    ``C = 1/M sum_(x,y) exp(R(x, y) - mean R) sum_t sum_a max(0, Q(s_t, a) - Q(s_t, a_t) + nu)^2``, ``a`` not ``a_t``

    ``Q`` is the value of the policy that wrote the data, so no maximum is taken while it is learned; the one step of
    improvement is to act greedily by it, as the policy's likeliest token is that of the highest ``Q``. Tokens that the
    data never has after ``s_t`` are valued by nothing but what the network began with: the ranking regulariser holds
    them below those it has, the more the better the sequence was. ``Q`` is ``tau`` times the policy's own logits, so
    it starts as the supervised policy's order of tokens; what that scale has beside the rewards' is ``c``, the batch's
    mean of ``R - Q``, which changes no policy. Without it the first updates would only move all of the data's tokens
    from where a policy's logits are to where rewards are, past the other tokens. Gulcehre et al. 2021, arXiv
    2103.09575, with Monte Carlo returns in place of SARSA's; Gulcehre et al. 2023, arXiv 2308.08998, A.2, found it to
    fail on translation.
    """

    name: ClassVar[str] = "q-bve"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = QBVEConfig
    config: QBVEConfig

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch; of data with rewards."""
        check_scored(self.name, data)
        return super().batches(data, tokens_per_batch, seed)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> QBVELoss:
        """The equations above."""
        mask, options = batch.target_mask, self.config
        q = self.policy.evaluate(batch).float32_logits * options.q_temperature  # [L,V]
        chosen = batch.target[mask]  # [L]
        returns = batch.reward[:, None].expand_as(mask)[mask]  # [L]
        value_loss = (returns - q.gather(1, chosen[:, None])[:, 0]).var(correction=0)  # c is the mean
        weight = (batch.reward - batch.reward.mean()).exp()[:, None].expand_as(mask)[mask]  # [L]
        allowed = torch.isfinite(self.policy.allowed_tokens().logit_mask)  # [V]
        ranking = ranking_loss(q, chosen, allowed, weight, options.margin)
        return QBVELoss(value_loss + options.ranking_weight * ranking, value_loss.detach(), ranking.detach())
