"""Agents with a value network beside the policy."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch import nn

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.training.loop import fit
from agents.training.training_config import TrainingConfig
from agents.value import BVE, ValueNetwork, value_training
from agents.value_report import ValueReport, rank_correlations
from buffers import Slice
from seq2seq_env.ranges import above_zero, zero_or_more

_LOGGER = logging.getLogger(__name__)

HOLD_OUT = 20
"""Every k-th source is held out from the value network's pre-training, to report on."""


@dataclass(frozen=True)
class ValueConfig(AgentConfig):
    """Options of an agent with a value network."""

    value_tokens: int = 300_000
    """Target tokens of behaviour value estimation before the first Improve step of each Grow step; 0 for none."""
    value_learning_rate: float = 1e-3
    """Peak learning rate of behaviour value estimation, falling linearly to 0 after a warmup of at most a twentieth."""
    td_lambda: float = 1.0
    """Lambda of the returns of behaviour value estimation, from 0 (one step) to 1 (Monte Carlo; A.8.4)."""

    def __post_init__(self) -> None:
        zero_or_more(self, "value_tokens")
        above_zero(self, "value_learning_rate")
        if not 0 <= self.td_lambda <= 1:
            raise ValueError(f"td_lambda is {self.td_lambda}; give a number from 0 to 1")


class ValueAgent(LossAgent):
    """An agent whose loss needs ``V(s_t)``.

    Attributes:
        value: The value network, which starts from the policy's weights.
        value_report: Of the last :meth:`prepare`; None before.

    Args:
        policy: Trained in place.
        config: An instance of ``Config``; None takes the defaults.
        value: A network trained before; None makes one.

    Raises:
        ValueError: If the value network reads another tokenizer's tokens.
    """

    parts: ClassVar[tuple[str, ...]] = ("value",)
    Config: ClassVar[type[AgentConfig]] = ValueConfig
    config: ValueConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config)
        if value is not None and value.tokenizer_fingerprint != policy.tokenizer.fingerprint:
            raise ValueError(
                f"the value network reads tokenizer {value.tokenizer_fingerprint[:12]}, the policy "
                f"{policy.tokenizer.fingerprint[:12]}; train both on one task"
            )
        self.value = ValueNetwork.from_policy(policy) if value is None else value
        self.value_report: ValueReport | None = None
        self._has_value = value is not None

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Policy and value network."""
        return {**super().networks, "value": self.value}

    def prepare(self, grown: Slice, training: TrainingConfig) -> None:
        """Behaviour value estimation on D_g, and a logged report of how well the values rank its sequences."""
        check_scored(self.name, grown)
        _, source = np.unique(grown.source_index, return_inverse=True)
        held_out = source % HOLD_OUT == HOLD_OUT - 1
        learned, kept = grown.where(~held_out), grown.where(held_out)
        if not self._has_value:
            self.value.start_at(learned.mean_reward())
            self._has_value = True
        if self.config.value_tokens and len(learned):
            budget = value_training(training, self.config.value_tokens, self.config.value_learning_rate)
            fit(BVE(self.value, self.config.td_lambda), learned, budget)
        self.value_report = ValueReport(rank_correlations(self.value, learned), rank_correlations(self.value, kept))
        _LOGGER.info("%s", self.value_report)

    def adopt(self, other: ValueAgent) -> None:
        """Take a copy of another agent's value network in place of :meth:`prepare`, which would come to the same."""
        self.value, self.value_report, self._has_value = copy.deepcopy(other.value), other.value_report, True

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """Where :meth:`prepare` never ran, it runs on ``data``."""
        check_scored(self.name, data)
        if not self._has_value:
            self.prepare(data, training)
        with super().improving(data, training):
            yield

    def restore(self, folder: str | Path) -> None:
        """See :meth:`Agent.restore`."""
        super().restore(folder)
        self._has_value = True
