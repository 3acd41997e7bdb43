"""CPO: contrastive preference optimisation, which needs no reference policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.losses import preference_loss
from agents.preference_agent import PreferenceAgent, PreferenceConfig
from agents.preferences import chosen_nll, sequence_pairs
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class CPOConfig(PreferenceConfig):
    """The symbols of CPO's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.1
    """Scale of the difference of log-probabilities (arXiv 2401.08417)."""
    alpha: float = 1.0
    """Weight of the best candidates' negative log-likelihood, which keeps their probability from falling with the
    worse ones'."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta")
        zero_or_more(self, "alpha")


class CPOLoss(NamedTuple):
    """What :meth:`CPO.loss` returns, each float32 []."""

    loss: Tensor
    """Preference loss and weighted negative log-likelihood."""
    preference_loss: Tensor
    """Preference loss per pair, nats."""
    nll: Tensor
    """Negative log-likelihood of the best candidates per target token, nats; its weight is ``alpha``."""
    accuracy: Tensor
    """Share of pairs whose better trajectory is the likelier."""


class CPO(PreferenceAgent):
    """Contrastive preference optimisation, with pairs made from rewards.

    ``L(theta) = -E log sigmoid(beta (log pi(y_w|x) - log pi(y_l|x))) - alpha/M sum log pi(y_w|x)``

    ``y_w`` and ``y_l`` are the best and the worst of a source's candidates, its reference among them; ``M`` the target
    tokens of the best ones. It is :class:`agents.DPO` without the reference policy, so one network less. Xu et al.
    2024, arXiv 2401.08417, made it for machine translation, where a reference may be the worse candidate. There the
    second term is a mean over sequences of their sums, here over target tokens, as everywhere in this package.
    """

    name: ClassVar[str] = "cpo"
    Config: ClassVar[type[AgentConfig]] = CPOConfig
    config: CPOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> CPOLoss:
        """The equation above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        score = sequence_pairs(log_prob, mask)
        preference = preference_loss(score.chosen, score.rejected, self.config.beta)
        nll = chosen_nll(log_prob, mask)
        return CPOLoss(
            loss=preference + self.config.alpha * nll,
            preference_loss=preference.detach(),
            nll=nll.detach(),
            accuracy=score.accuracy(),
        )
