"""Behaviour cloning: the supervised baseline."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import LossAgent
from agents.losses import sequence_log_prob, weighted_nll
from buffers import TokenBatch


class BCLoss(NamedTuple):
    """What :meth:`BC.loss` returns."""

    loss: Tensor
    """float32 [], negative log-likelihood per target token, nats."""
    sequence_log_prob: Tensor
    """float32 [], mean over the batch of ``log pi(y | x)``, nats; without gradient."""


class BC(LossAgent):
    """Behaviour cloning on the whole batch, whatever its rewards.

    ``L(theta) = -1/M sum_(x,y) sum_t log pi_theta(y_t | x, y_<t)``

    with ``M`` the number of target tokens of the batch, end-of-sequence included. It is the loss of the supervised
    policy ("BC, G=0, I=0") and of training on all that was grown ("G=1, I=0"). Gulcehre et al. 2023,
    arXiv 2308.08998, section 3; the paper sums over tokens, which differs by the factor ``M`` alone.
    """

    name: ClassVar[str] = "bc"
    filters: ClassVar[bool] = False

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BCLoss:
        """The equation above, with weight 1 for every sequence."""
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        weight = log_prob.new_ones(len(batch), 1)  # [B,1]
        return BCLoss(
            loss=weighted_nll(log_prob, weight, batch.target_mask),
            sequence_log_prob=sequence_log_prob(log_prob.detach(), batch.target_mask).mean(),
        )
