"""DPO: direct preference optimisation on the best and the worst candidate of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.losses import preference_loss
from agents.preference_agent import PreferenceAgent, PreferenceConfig
from agents.preferences import chosen_nll
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class DPOConfig(PreferenceConfig):
    """The symbols of DPO's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.1
    """Strength of the pull to the reference policy (arXiv 2305.18290, equation 7)."""
    rpo_alpha: float = 1.0
    """Weight of the NLL term of RPO, which keeps the best candidate's probability from falling with the worse one's
    (arXiv 2404.19733, its alpha); 0 is plain DPO (arXiv 2305.18290)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta")
        zero_or_more(self, "rpo_alpha")


class DPOLoss(NamedTuple):
    """What :meth:`DPO.loss` returns, each float32 []."""

    loss: Tensor
    """Preference loss and weighted negative log-likelihood."""
    preference_loss: Tensor
    """Preference loss per pair, nats."""
    nll: Tensor
    """Negative log-likelihood of the best candidates per target token, nats; its weight is ``rpo_alpha``."""
    accuracy: Tensor
    """Share of pairs that the policy orders rightly, relative to the reference policy."""


class DPO(PreferenceAgent):
    """Direct preference optimisation, with pairs made from rewards.

    ``L(theta) = -E log sigmoid(beta (r(y_w) - r(y_l))) - alpha/M sum log pi(y_w|x)``, ``r(y) = log pi(y|x)/pi_0(y|x)``

    ``y_w`` and ``y_l`` are the best and the worst of a source's candidates (its reference among them), ``pi_0`` the
    policy as it was when the agent was made. A batch holds pairs: best, worst, best, worst. The first term is DPO
    (Rafailov et al. 2023, arXiv 2305.18290, equation 7). The second is not in it: it is the NLL term of iterative
    reasoning preference optimisation (RPO; Pang et al. 2024, arXiv 2404.19733), here a mean over the target tokens of
    the batch and not of each candidate; ``rpo_alpha=0`` leaves it out, and is DQO where a quality-estimation model is
    the scorer (arXiv 2409.17673).
    """

    name: ClassVar[str] = "dpo"
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = DPOConfig
    config: DPOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> DPOLoss:
        """The equation above."""
        log_prob = self.log_prob(batch)  # [B,T]
        ratio = self.ratios(log_prob, batch)
        preference = preference_loss(ratio.chosen, ratio.rejected, self.config.beta)
        nll = chosen_nll(log_prob, batch.target_mask)
        return DPOLoss(
            loss=preference + self.config.rpo_alpha * nll,
            preference_loss=preference.detach(),
            nll=nll.detach(),
            accuracy=ratio.accuracy(),
        )
