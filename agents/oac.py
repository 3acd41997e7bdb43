"""OAC: offline actor-critic with the behaviour's value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from agents.agent import AgentConfig
from agents.importance import log_ratio
from agents.importance_agent import ImportanceAgent, ImportanceConfig
from agents.losses import value_loss, weighted_nll
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.returns import lambda_returns, td_errors
from agents.token_values import TokenValues
from agents.training.training_config import TrainingConfig
from agents.value import ValueNetwork
from agents.value_agent import ValueAgent
from buffers import Slice, TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more
from seq2seq_env.suggestions import check_name

OACAdvantage = Literal["return", "one-step"]


@dataclass(frozen=True)
class OACConfig(ImportanceConfig):
    """The symbols of OAC's equations."""

    advantage: OACAdvantage = "return"
    """Advantage: "return" is ``R - V(s_t)``, "one-step" ``r_t + V(s_{t+1}) - V(s_t)``; the paper does not say which."""
    importance_weight: bool = True
    """Weight each term by the importance ratio ``min(pi / mu, rho_bar)``; without it nothing bounds how far a token of
    negative advantage is pushed down."""
    rho_bar: float = 1.0
    """Upper bound of the importance ratio."""
    value_weight: float = 0.0
    """Weight of the value's regression on an Improve step's data. At 0 the value stays the behaviour's, learned before
    from all that was grown; a filtered slice would teach it the slice's own mean, and the advantages would vanish."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name("advantage", self.advantage, get_args(OACAdvantage))
        above_zero(self, "rho_bar")
        zero_or_more(self, "value_weight")

    @property
    def has_ratio(self) -> bool:
        """See :attr:`AgentConfig.has_ratio`."""
        return self.importance_weight


class OACLoss(NamedTuple):
    """What :meth:`OAC.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and weighted value loss."""
    policy_loss: Tensor
    """Policy loss per target token."""
    value_loss: Tensor
    """Value loss, in squared units of reward."""
    advantage: Tensor
    """Mean of ``A_t``."""


class OAC(ImportanceAgent):
    """Offline actor-critic: policy gradient on stored trajectories, with the behaviour policy's value as baseline.

    ``L(theta) = -1/M sum_(x,y) sum_t min(pi/mu, rho-bar) A_t log pi_theta(a_t|s_t)``

    ``L(phi) = 1/M sum_(x,y) sum_t (G_t - V_phi(s_t))^2``, ``A_t = G_t - V(s_t)``, ``G_t`` the return.

    V is the behaviour's: L(phi) is trained before, on all that was grown, and in an Improve step only where asked for.
    Weight and advantage get no gradient; there is no v-trace. Mathieu et al. 2021 ("StarCraft II Unplugged"); Gulcehre
    et al. 2023, arXiv 2308.08998, A.8.3.
    """

    name: ClassVar[str] = "oac"
    filters: ClassVar[bool] = True
    Config: ClassVar[type[AgentConfig]] = OACConfig
    config: OACConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        self._kept: TokenValues | None = None
        self._active: TokenValues | None = None  # what is kept, while an Improve step on it runs

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Policy, and value network where it is trained."""
        networks = super().networks
        return networks if self.config.value_weight else {"policy": networks["policy"]}

    def prepare(self, grown: Slice, training: TrainingConfig) -> None:
        """See :meth:`ValueAgent.prepare`; what was kept of the value network before it is dropped."""
        self._kept = None
        super().prepare(grown, training)

    def adopt(self, other: ValueAgent) -> None:
        """See :meth:`ValueAgent.adopt`; what was kept of the value network before it is dropped."""
        self._kept = None
        super().adopt(other)

    def restore(self, folder: str | Path) -> None:
        """See :meth:`Agent.restore`; what was kept of another value network is dropped."""
        self._kept = None
        super().restore(folder)

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """See :meth:`ValueAgent.improving`; what a value network that does not train says of a trajectory is kept.

        It is read in later epochs and Improve steps; with noise on the sources each epoch's is another.
        """
        with super().improving(data, training):
            if not self.config.value_weight and not training.has_source_noise:
                self._kept = self._active = TokenValues.for_slice(data, self._kept)
            try:
                yield
            finally:
                self._active = None

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> OACLoss:
        """The equation above."""
        mask, options = batch.target_mask, self.config
        policy, weight = self.policy.evaluate(batch), torch.ones_like(batch.log_prob)
        if options.importance_weight:
            weight = log_ratio(policy, batch, options.behaviour_temperature).exp().clamp(max=options.rho_bar)  # [B,T]

        value = self.value(batch) if options.value_weight else self._frozen_value(batch)  # [B,T]
        target = lambda_returns(value, batch.reward, mask, options.td_lambda)  # [B,T]
        if options.advantage == "return":
            whole = target if options.td_lambda == 1 else lambda_returns(value, batch.reward, mask, 1.0)  # [B,T]
            advantage = whole - value.detach()  # [B,T]
        else:
            advantage = td_errors(value.detach(), batch.reward, mask)  # [B,T]

        policy_loss = weighted_nll(policy.log_prob, weight * advantage, mask)
        regression = value_loss(value, target, mask)
        return OACLoss(
            loss=policy_loss + options.value_weight * regression,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            advantage=advantage[mask].mean(),
        )

    @torch.no_grad()
    def _frozen_value(self, batch: TokenBatch) -> Tensor:
        return self.value(batch) if self._active is None else self._active.of(batch, self.value)
