"""Implicit Q-learning for language: the value of the better actions in the data, and a policy drawn towards them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.agent import AgentConfig
from agents.losses import expectile_loss, weighted_nll
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.returns import lambda_returns
from agents.training.training_config import TrainingConfig
from agents.value import ValueNetwork
from agents.value_agent import ValueAgent, ValueConfig
from buffers import Slice, TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class IQLConfig(ValueConfig):
    """The symbols of implicit Q-learning's equations."""

    expectile: float = 0.7
    """Expectile tau, from 0.5 (the behaviour's value) to below 1 (the best action's); arXiv 2110.06169, equation 5."""
    beta: float = 10.0
    """Inverse temperature of the advantages in the policy's weights; arXiv 2110.06169, equation 7."""
    max_weight: float = 20.0
    """Upper bound of a token's weight."""
    target_rate: float = 0.005
    """Rate of the target network's Polyak averaging, a share of the value network that it takes in after each step,
    above 0 (arXiv 2110.06169, alpha of algorithm 1); 1 is no target network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "beta", "max_weight")
        if not 0.5 <= self.expectile < 1:
            raise ValueError(f"expectile is {self.expectile}; give a number from 0.5 to below 1")
        if not 0 < self.target_rate <= 1:
            raise ValueError(f"target_rate is {self.target_rate}; give a share above 0, and 1 for no target network")


class IQLLoss(NamedTuple):
    """What :meth:`IQL.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and value loss."""
    policy_loss: Tensor
    """``L_pi`` per target token."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    advantage: Tensor
    """Mean of ``Q - V``."""


class IQL(ValueAgent):
    """Implicit Q-learning over tokens, with the policy extracted by advantage weights.

    Kostrikov et al. 2021, arXiv 2110.06169, on the token-level process of ILQL (Snell et al. 2022, arXiv 2206.11871)::

        Q(s_t, a_t) = r_t + V'(s_{t+1})
        L_V         = mean |tau - 1[u < 0]| u^2,  u = Q(s_t, a_t) - V(s_t)              equation 5
        L_pi        = -mean min(exp(beta (Q(s_t, a_t) - V(s_t))), w_max) log pi(a_t|s_t)  equation 7
        V'          = (1 - alpha) V' + alpha V after each step                          algorithm 1

    Appending a token is deterministic, so the first line holds exactly, and the network of ``Q`` and its regression
    (equation 6) fall away, and with them the head as wide as the vocabulary that the paper found to hurt. What the
    published algorithm bootstraps from, the target network of ``Q``, is here that of ``V``: ``V'`` starts each Improve
    step as ``V``. ILQL shifts the logits of a frozen policy while decoding; here the policy itself is trained, so that
    it is sampled, saved and compared like every other.
    """

    name: ClassVar[str] = "iql"
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = IQLConfig
    config: IQLConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        self._target: AveragedModel | None = None  # while an Improve step with a target network runs

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """See :meth:`ValueAgent.improving`; the target network lives as long as the step."""
        with super().improving(data, training):
            if self.config.target_rate < 1:
                average = get_ema_multi_avg_fn(1 - self.config.target_rate)  # type: ignore[no-untyped-call]
                self._target = AveragedModel(self.value, multi_avg_fn=average)
                self._target.update_parameters(self.value)  # the first update copies, the others average
            try:
                yield
            finally:
                self._target = None

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The target network."""
        return {} if self._target is None else {"target": self._target}

    def after_step(self) -> None:
        """Polyak averaging."""
        if self._target is not None:
            self._target.update_parameters(self.value)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> IQLLoss:
        """The equations above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        value = self.value(batch)  # [B,T]
        with torch.no_grad():
            target = value if self._target is None else self._target(batch)  # [B,T]
        q = lambda_returns(target, batch.reward, mask, 0.0)  # [B,T]
        regression = expectile_loss(value, q, mask, self.config.expectile)
        advantage = q - value.detach()  # [B,T]
        weight = (self.config.beta * advantage).exp().clamp(max=self.config.max_weight)  # [B,T]
        policy_loss = weighted_nll(log_prob, weight, mask)
        return IQLLoss(
            loss=policy_loss + regression,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            advantage=advantage[mask].mean(),
        )
