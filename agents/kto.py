"""KTO: better and worse candidates each by itself, against how far the policy has moved on the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from agents.agent import AgentConfig
from agents.losses import sequence_log_prob
from agents.preference_agent import PreferenceAgent, PreferenceConfig
from agents.preferences import kto_loss
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class KTOConfig(PreferenceConfig):
    """The symbols of KTO's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.1
    """How soon gains and losses saturate, and so how dear it is to leave the reference policy, above 0."""
    desirable_weight: float = 1.0
    """Weight ``lambda_D`` of the better candidates, above 0."""
    undesirable_weight: float = 1.0
    """Weight ``lambda_U`` of the worse candidates, above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta", "desirable_weight", "undesirable_weight")


class KTOLoss(NamedTuple):
    """What :meth:`KTO.loss` returns, each float32 []."""

    loss: Tensor
    """Mean over better and worse candidates of weight less value."""
    divergence: Tensor
    """The reference point ``z``, nats per sequence."""
    accuracy: Tensor
    """Share of pairs that the policy orders rightly, relative to the reference policy."""


class KTO(PreferenceAgent):
    """Kahneman-Tversky optimisation, with the best and the worst candidate of each source.

    ``L(theta) = E (lambda_y - v(x, y))``, ``r = log pi(y|x)/pi_0(y|x)``, ``z = max(0, mean log pi(y'|x)/pi_0(y'|x))``

    ``v = lambda_D sigmoid(beta (r - z))`` of a source's best candidate, ``lambda_U sigmoid(beta (z - r))`` of its worst

    ``y'`` is the target of the next pair in the batch, so one that does not belong to ``x``; ``z`` estimates
    ``KL(pi || pi_0)`` by it, as published, and gets no gradient. Each candidate counts by itself, so a pair that is
    ordered rightly goes on being trained until both its sides are far from ``z``. Ethayarajh et al. 2024, arXiv
    2402.01306, need no pairs; here they are those of :class:`agents.DPO`, so that the losses compare.
    """

    name: ClassVar[str] = "kto"
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = KTOConfig
    config: KTOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> KTOLoss:
        """The equations above."""
        options = self.config
        ratio = self.ratios(self.log_prob(batch), batch)
        divergence = self._divergence(batch)
        return KTOLoss(
            loss=kto_loss(ratio, divergence, options.beta, options.desirable_weight, options.undesirable_weight),
            divergence=divergence,
            accuracy=ratio.accuracy(),
        )

    @torch.no_grad()
    def _divergence(self, batch: TokenBatch) -> Tensor:
        """``z`` from each source with the targets of another pair; those of a batch of one pair are its own."""
        mask = batch.target_mask.roll(2, dims=0)
        others = replace(batch, target=batch.target.roll(2, dims=0), target_mask=mask)
        log_ratio = self.log_prob(others) - self.prior.evaluate(others).log_prob  # [B,T]
        return sequence_log_prob(log_ratio, mask).mean().clamp(min=0)
