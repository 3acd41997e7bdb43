"""Agents whose value is an upper expectile of what the data's actions lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.agent import AgentConfig
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.returns import lambda_returns
from agents.training.training_config import TrainingConfig
from agents.value import ValueNetwork
from agents.value_agent import ValueAgent, ValueConfig
from buffers import Slice, TokenBatch


@dataclass(frozen=True)
class ExpectileConfig(ValueConfig):
    """Options of an agent whose value is an expectile.

    Raises:
        ValueError: If a value is out of range.
    """

    expectile: float = 0.7
    """Expectile tau, from 0.5 (the behaviour's value) to below 1 (the best action's); arXiv 2110.06169, equation 5."""
    target_rate: float = 0.005
    """Rate of the target network's Polyak averaging, a share of the value network that it takes in after each step,
    above 0 (arXiv 2110.06169, alpha of algorithm 1); 1 is no target network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.5 <= self.expectile < 1:
            raise ValueError(f"expectile is {self.expectile}; give a number from 0.5 to below 1")
        if not 0 < self.target_rate <= 1:
            raise ValueError(f"target_rate is {self.target_rate}; give a share above 0, and 1 for no target network")


class ExpectileAgent(ValueAgent):
    """An agent with ``V(s_t)``, learned as an expectile of ``Q(s_t, a_t) = r_t + V'(s_{t+1})``, and its target ``V'``.

    ``V'`` starts each Improve step as ``V`` and follows it by Polyak averaging.
    """

    Config: ClassVar[type[AgentConfig]] = ExpectileConfig
    config: ExpectileConfig

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

    def q_targets(self, value: Tensor, batch: TokenBatch) -> Tensor:
        """``r_t + V'(s_{t+1})``, float32 [B,T] without gradient, 0 at padding.

        Args:
            value: float32 [B,T], ``V(s_t)``, which is ``V'`` where there is no target network.
            batch: Gives the rewards.
        """
        with torch.no_grad():
            target = value if self._target is None else self._target(batch)  # [B,T]
        return lambda_returns(target, batch.reward, batch.target_mask, 0.0)
