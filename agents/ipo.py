"""IPO: preferences fitted to a target instead of driven without end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.preference_agent import PreferenceAgent, PreferenceConfig
from agents.preferences import ipo_loss
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class IPOConfig(PreferenceConfig):
    """The symbol of IPO's equation.

    Raises:
        ValueError: If a value is out of range.
    """

    tau: float = 0.1
    """Strength of the pull to the reference policy: the difference of log-ratios is drawn to ``1 / (2 tau)`` nats."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "tau")


class IPOLoss(NamedTuple):
    """What :meth:`IPO.loss` returns, each float32 []."""

    loss: Tensor
    """Mean squared error per pair, nats squared."""
    difference: Tensor
    """Mean over pairs of the difference of log-ratios, nats."""
    accuracy: Tensor
    """Share of pairs that the policy orders rightly, relative to the reference policy."""


class IPO(PreferenceAgent):
    """Identity preference optimisation, with pairs made from rewards.

    ``L(theta) = E (r(y_w) - r(y_l) - 1/(2 tau))^2``, ``r(y) = log pi(y|x)/pi_0(y|x)``

    ``y_w`` and ``y_l`` are the best and the worst of a source's candidates, its reference among them, ``pi_0`` the
    policy as it was when the agent was made. Where :class:`agents.DPO` goes on as long as the pair's ratio can grow,
    this one stops at ``1/(2 tau)``: with pairs that always have the same winner, as rewards make them, DPO's pull to
    ``pi_0`` counts for nothing in the end. Azar et al. 2023, arXiv 2310.12036, equation 17.
    """

    name: ClassVar[str] = "ipo"
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = IPOConfig
    config: IPOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> IPOLoss:
        """The equation above."""
        ratio = self.ratios(self.log_prob(batch), batch)
        return IPOLoss(
            loss=ipo_loss(ratio, self.config.tau),
            difference=(ratio.chosen - ratio.rejected).detach().mean(),
            accuracy=ratio.accuracy(),
        )
