"""GOLD: off-policy policy gradient on demonstrations, rewarded by how likely a supervised model finds them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.losses import likelihood_returns, weighted_nll
from agents.periodic_copy import PeriodicCopy
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.token_values import TokenValues
from agents.training.training_config import TrainingConfig
from buffers import Slice, TokenBatch
from seq2seq_env.ranges import zero_or_more
from seq2seq_env.suggestions import check_name

GoldReward = Literal["log-probability", "gold-p", "gold-s", "sequence"]


class GOLDSettings(NamedTuple):
    """The symbols of GOLD's equations that have another default with each reward."""

    k: int
    """Terms of ``Q_t``."""
    u: float
    """Lower bound of the importance weight."""
    p_min: float
    """Lower bound of the MLE model's probabilities."""
    baseline: float
    """What is subtracted from ``Q_t``; with "gold-p" and "gold-s" from each of its terms."""
    copy_every: int
    """Steps between two copies of the policy; 0 for no copy."""


SETTINGS: dict[GoldReward, GOLDSettings] = {
    "log-probability": GOLDSettings(k=5, u=0.2, p_min=0.1, baseline=-10.0, copy_every=0),
    # A term log p + 10 is clamped at 1 from below, and so p at exp(-9).
    "gold-p": GOLDSettings(k=6, u=0.0, p_min=math.exp(-9), baseline=-10.0, copy_every=5_000),
    "gold-s": GOLDSettings(k=6, u=0.2, p_min=0.1, baseline=0.0, copy_every=3_000),
    "sequence": GOLDSettings(k=1, u=0.2, p_min=0.1, baseline=0.0, copy_every=0),
}
"""The ``k`` of "log-probability" is A.8.2's (arXiv 2308.08998). The settings of "gold-p" are the published code's
defaults, those of "gold-s" its recipe for IWSLT 2014 German-English."""


@dataclass(frozen=True)
class GOLDConfig(AgentConfig):
    """The symbols of GOLD's equations; None takes the reward's own in :data:`SETTINGS`."""

    reward: GoldReward = "log-probability"
    """Reward that ``Q_t`` sums: the MLE model's log-probabilities of the next 5 tokens ("log-probability"; arXiv
    2308.08998, A.8.2), its log-probabilities or its probabilities with the published code's settings ("gold-p",
    "gold-s"; arXiv 2009.07839), or the sequence's learned reward alone ("sequence")."""
    k: int | None = None
    """Tokens that ``Q_t`` looks ahead, its own included, at least 1; by default 5 for "log-probability" and 6 for
    "gold-p" and "gold-s"; not with "sequence"."""
    u: float | None = None
    """Lower bound of the importance weight ``pi(a_t|s_t)``, a probability; by default 0.2, and 0 for "gold-p"."""
    p_min: float | None = None
    """Lower bound of the MLE model's probabilities; by default 0.1, and e^-9 for "gold-p"; not with "sequence"."""
    baseline: float | None = None
    """Baseline ``b`` that is subtracted from ``Q_t``, of "gold-p" and "gold-s" from each of its ``k`` terms; by default
    -10 for "log-probability" and "gold-p", 0 otherwise."""
    copy_every: int | None = None
    """Steps of the optimiser after which the copy of the policy that the importance weight is taken from is renewed; 0
    takes the policy itself. By default 5000 for "gold-p", 3000 for "gold-s" and 0 otherwise."""

    def __post_init__(self) -> None:
        check_name("reward", self.reward, SETTINGS)
        for name in ("k", "p_min"):
            if self.reward == "sequence" and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, and the reward 'sequence' asks no MLE model; leave it out"
                )
        settings = self.settings
        if settings.k < 1:
            raise ValueError(f"k is {settings.k}; give at least 1")
        for name in ("u", "p_min"):
            if not 0 <= getattr(settings, name) <= 1:
                raise ValueError(f"{name} is {getattr(settings, name)}; give a probability")
        if self.sums_logarithms and settings.p_min == 0:
            raise ValueError(f"p_min is {settings.p_min}; give a probability above 0, whose logarithm is finite")
        zero_or_more(settings, "copy_every")

    @property
    def settings(self) -> GOLDSettings:
        """The reward's own, but for what is set here."""
        own = SETTINGS[self.reward]
        return own._replace(**{name: value for name in own._fields if (value := getattr(self, name)) is not None})

    @property
    def sums_logarithms(self) -> bool:
        """Whether ``Q_t`` sums log-probabilities."""
        return self.reward in ("log-probability", "gold-p")


class GOLDLoss(NamedTuple):
    """What :meth:`GOLD.loss` returns, each float32 []."""

    loss: Tensor
    """The objective per target token."""
    importance_weight: Tensor
    """Mean of ``max(pi', u)``."""
    q: Tensor
    """Mean of ``Q_t - b``."""


class GOLD(LossAgent):
    """Generation by off-policy learning from demonstrations (Pang and He 2021, arXiv 2009.07839, section 3).

    ``L(theta) = -1/M sum_(x,y) sum_t max(pi'(a_t|s_t), u) (Q_t - b) log pi_theta(a_t|s_t)``, the weight a constant

    ``Q_t = sum_{i=t}^{t+k-1} f(max(p_MLE(a_i|s_i), p_min))``

    ``p_MLE`` is the policy as it was when the agent was made; its probabilities are computed once for each distinct
    pair of source and target, and kept. The weight approximates ``pi / mu`` with a uniform ``mu`` over the
    demonstrations; ``pi'`` is the policy, or a copy of it that is renewed every ``copy_every`` steps.

    *The paper's* are the objective, GOLD-p (``f`` the logarithm: the return is that of the product of the
    probabilities), GOLD-s (``f`` the identity: their sum), the bounds ``u`` and ``p_min``, and the periodic copy.
    *The published code's* are the numbers in :data:`SETTINGS`: six terms (a token and the five after it, of probability
    1 after the end), for "gold-p" ``b = -10`` in each term and each term clamped at 1 from below, for "gold-s" floors
    of 0.1 for ``p_MLE`` and 0.2 for the weight. "log-probability" is the variant of ReST (Gulcehre et al. 2023, arXiv
    2308.08998, A.8.2), of which the paper tells ``k = 5`` alone. "GOLD" in TRL is another method, online distillation.
    """

    name: ClassVar[str] = "gold"
    filters: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = GOLDConfig
    config: GOLDConfig

    def __init__(self, policy: Seq2SeqPolicy, config: AgentConfig | None = None) -> None:
        super().__init__(policy, config)
        self._kept: TokenValues | None = None
        self._active: TokenValues | None = None  # what is kept, while an Improve step on it runs
        self._copy: PeriodicCopy | None = None  # while an Improve step with a copy runs

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """What the MLE model says of a trajectory is kept for later epochs and Improve steps, of noisy sources not."""
        if self.config.reward == "sequence":
            check_scored(self.name, data)
        if not training.has_source_noise:
            self._kept = self._active = TokenValues.for_slice(data, self._kept)
        if every := self.config.settings.copy_every:
            self._copy = PeriodicCopy(self.policy, every)
        try:
            yield
        finally:
            self._active = self._copy = None

    def restore(self, folder: str | Path) -> None:
        """See :meth:`Agent.restore`; what was kept of another MLE model is dropped."""
        self._kept = None
        super().restore(folder)

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The copy that the importance weight refers to."""
        return {} if self._copy is None else {"copy": self._copy}

    def after_step(self) -> None:
        """Renew the copy of the policy when it is time."""
        if self._copy is not None:
            self._copy.after_step()

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> GOLDLoss:
        """The equations above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        with torch.no_grad():
            log_weight = log_prob if self._copy is None else self._copy.policy.evaluate(batch).log_prob  # [B,T]
        weight = log_weight.detach().exp().clamp(min=self.config.settings.u)  # [B,T]
        advantage = self.advantage(batch)  # [B,T]
        return GOLDLoss(
            loss=weighted_nll(log_prob, weight * advantage, mask),
            importance_weight=weight[mask].mean(),
            q=advantage[mask].mean(),
        )

    def advantage(self, batch: TokenBatch) -> Tensor:
        """``Q_t - b``, float32 [B,T]; its padding has no meaning."""
        mask, config, settings = batch.target_mask, self.config, self.config.settings
        if config.reward == "sequence":
            return batch.reward[:, None].expand(mask.shape) - settings.baseline
        q = likelihood_returns(
            self._log_mle(batch), mask, settings.k, settings.p_min, logarithm=config.sums_logarithms
        )  # [B,T]
        return q - settings.baseline * (1 if config.reward == "log-probability" else settings.k)

    @torch.no_grad()
    def _log_mle(self, batch: TokenBatch) -> Tensor:
        def log_mle(part: TokenBatch) -> Tensor:
            return self.prior.evaluate(part).log_prob

        return log_mle(batch) if self._active is None else self._active.of(batch, log_mle)
