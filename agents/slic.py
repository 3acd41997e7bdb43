"""SLiC: likelihoods of sequences calibrated to the order of their rewards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.preference_agent import PreferenceAgent, PreferenceConfig
from agents.preferences import chosen_nll, hinge_loss, sequence_pairs
from buffers import TokenBatch
from seq2seq_env.ranges import zero_or_more


@dataclass(frozen=True)
class SLiCConfig(PreferenceConfig):
    """The symbols of SLiC's equation.

    Raises:
        ValueError: If a value is out of range.
    """

    delta: float = 1.0
    """Nats by which the best candidate is to be likelier than the worst, 0 or more."""
    nll_weight: float = 1.0
    """Weight ``lambda`` of the best candidates' negative log-likelihood, 0 or more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        zero_or_more(self, "delta", "nll_weight")


class SLiCLoss(NamedTuple):
    """What :meth:`SLiC.loss` returns, each float32 []."""

    loss: Tensor
    """Calibration loss and weighted negative log-likelihood."""
    calibration_loss: Tensor
    """What is missing of the margin ``delta`` per pair, nats."""
    nll: Tensor
    """Negative log-likelihood of the best candidates per target token, nats; its weight is ``nll_weight``."""
    accuracy: Tensor
    """Share of pairs whose better trajectory is the likelier."""


class SLiC(PreferenceAgent):
    """Sequence likelihood calibration, with pairs made from rewards.

    ``L(theta) = E max(0, delta - log pi(y_w|x) + log pi(y_l|x)) - lambda/M sum log pi(y_w|x)``

    ``y_w`` and ``y_l`` are the best and the worst of a source's candidates, its reference among them; ``M`` the target
    tokens of the best ones. A pair that has its margin costs nothing, and there is no reference policy: the second term
    holds the policy. Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425; the target of its second term is the supervised
    one or, as here, the best candidate.
    """

    name: ClassVar[str] = "slic"
    Config: ClassVar[type[AgentConfig]] = SLiCConfig
    config: SLiCConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> SLiCLoss:
        """The equation above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        score = sequence_pairs(log_prob, mask)
        calibration = hinge_loss(score, self.config.delta)
        nll = chosen_nll(log_prob, mask)
        return SLiCLoss(
            loss=calibration + self.config.nll_weight * nll,
            calibration_loss=calibration.detach(),
            nll=nll.detach(),
            accuracy=score.accuracy(),
        )
