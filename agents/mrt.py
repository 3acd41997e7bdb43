"""MRT: the expected cost over a source's candidates, as the policy weighs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agents.agent import AgentConfig
from agents.candidate_agent import CandidateAgent, CandidateConfig
from agents.candidates import expected_cost
from agents.losses import sequence_log_prob
from buffers import Slice, TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class MRTConfig(CandidateConfig):
    """The symbols of MRT's equation.

    Raises:
        ValueError: If a value is out of range.
    """

    alpha: float = 0.1
    """Sharpness of the distribution over candidates, above 0; at 1 it is the policy's own, in which the likeliest of
    them counts almost alone. arXiv 1512.02433 takes 0.005, for samples of one policy."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "alpha")


class MRTLoss(NamedTuple):
    """What :meth:`MRT.loss` returns, each float32 []."""

    loss: Tensor
    """Mean over sources of the expected cost, from 0 to 1."""
    gain: Tensor
    """Mean over sources of the candidates' mean cost less the expected one: what the policy's order is worth."""


class MRT(CandidateAgent):
    """Minimum risk training.

    ``L(theta) = mean_x sum_k q_k (1 - R(x, y_k))``, ``q_k = pi_theta(y_k|x)^alpha / sum_j pi_theta(y_j|x)^alpha``

    over a source's distinct candidates, its reference among them. The gradient raises what is better than the expected
    cost and lowers what is worse, so the mean is a baseline. Only the candidates' probabilities relative to each other
    count: nothing keeps the rest of the policy's from going elsewhere. Shen et al. 2016, arXiv 1512.02433, with the
    learned reward in place of sentence BLEU, and with stored candidates in place of fresh ones, which are a policy's of
    some steps before. It finds translations that a scorer loves wherever they stand (arXiv 2307.03131): a probe for
    scorers.
    """

    name: ClassVar[str] = "mrt"
    least: ClassVar[int] = 2
    Config: ClassVar[type[AgentConfig]] = MRTConfig
    config: MRTConfig

    def candidates(self, data: Slice) -> NDArray[np.int64]:
        """Positions [n] of the first of equal candidates: ``q`` is over a set."""
        return np.flatnonzero(data.firsts() == data.rows)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> MRTLoss:
        """The equation above."""
        log_prob = sequence_log_prob(self.policy.evaluate(batch).log_prob, batch.target_mask)  # [B]
        cost = 1 - batch.reward.view(-1, batch.group_size)  # [G,K]
        risk = expected_cost(log_prob.view_as(cost), cost, self.config.alpha).mean()
        return MRTLoss(risk, cost.mean() - risk.detach())
