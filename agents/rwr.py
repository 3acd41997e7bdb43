"""RWR: behaviour cloning weighted by the reward itself."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import LossAgent
from agents.importance import check_scored
from agents.losses import weighted_nll
from buffers import Batches, Slice, TokenBatch


class RWRLoss(NamedTuple):
    """What :meth:`RWR.loss` returns, each float32 []."""

    loss: Tensor
    """Weighted negative log-likelihood per target token, nats."""
    weight: Tensor
    """Mean weight of a sequence, its reward."""


class RWR(LossAgent):
    """Reward-weighted fine-tuning: no filter, no baseline, nothing to tune.

    ``L(theta) = -1/M sum_(x,y) R(x, y) sum_t log pi_theta(y_t | x, y_<t)``

    with ``M`` the target tokens of the batch. The gradient is that of the mean reward, at the policy that wrote the
    data. With rewards that are all high, it is behaviour cloning. arXiv 2506.06964; Peters and Schaal's
    reward-weighted regression (2007), from which it has its name, has ``exp(R / beta)`` in place of ``R``: that is
    :class:`agents.Boltzmann`.
    """

    name: ClassVar[str] = "rwr"
    filters: ClassVar[bool] = False

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch; of data with rewards."""
        check_scored(self.name, data)
        return super().batches(data, tokens_per_batch, seed)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> RWRLoss:
        """The equation above."""
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        return RWRLoss(weighted_nll(log_prob, batch.reward[:, None], batch.target_mask), batch.reward.mean())
