"""Behaviour cloning with Boltzmann weights over a source's candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.candidate_agent import CandidateAgent, CandidateConfig
from agents.candidates import boltzmann_weights
from agents.losses import weighted_nll
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class BoltzmannConfig(CandidateConfig):
    """The symbols of the equation.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.1
    """Temperature of the rewards, in units of reward, above 0: towards 0 the best candidate counts alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta")


class BoltzmannLoss(NamedTuple):
    """What :meth:`Boltzmann.loss` returns, each float32 []."""

    loss: Tensor
    """Weighted negative log-likelihood per target token, nats."""
    largest_weight: Tensor
    """Mean over sources of the largest weight: from 1, where all candidates count alike, to their number."""


class Boltzmann(CandidateAgent):
    """Supervised fine-tuning with Boltzmann weights.

    ``L(theta) = -1/M sum_x sum_k w_k sum_t log pi_theta(y_k,t | x, y_k,<t)``, ``w = K softmax(R(x, y) / beta)``

    over the ``K`` candidates of a source, its reference among them; ``M`` the target tokens of the batch. With samples
    of the policy ``pi_0`` its optimum is ``pi_0(y|x) exp(R / beta) / Z(x)``, that of RL with a penalty
    ``beta KL(pi || pi_0)``, and the softmax estimates ``Z`` from the samples ("BOLT"). Weights are relative to the
    source, so that a hard one counts as much as an easy one; the factor ``K`` makes them 1 on average.
    """

    name: ClassVar[str] = "boltzmann"
    Config: ClassVar[type[AgentConfig]] = BoltzmannConfig
    config: BoltzmannConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BoltzmannLoss:
        """The equation above."""
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        weight = boltzmann_weights(batch.reward.view(-1, batch.group_size), self.config.beta)  # [G,K]
        loss = weighted_nll(log_prob, weight.view(-1, 1), batch.target_mask)
        return BoltzmannLoss(loss, weight.amax(1).mean())
