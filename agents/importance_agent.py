"""Agents whose loss weighs trajectories by the importance ratio of policy and behaviour policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agents.agent import AgentConfig
from agents.importance import known_ratios
from agents.value_agent import ValueAgent, ValueConfig
from buffers import Batches, Slice
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class ImportanceConfig(ValueConfig):
    """Options of an agent with an importance ratio."""

    behaviour_temperature: float | None = None
    """Sampling temperature of data that records none, and so the policy's in the importance ratio pi / mu; buffers
    record it, and another than recorded is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.behaviour_temperature is not None:
            above_zero(self, "behaviour_temperature")

    @property
    def has_ratio(self) -> bool:
        """See :attr:`AgentConfig.has_ratio`."""
        return True


class ImportanceAgent(ValueAgent):
    """A value agent whose loss has ``pi / mu``, both at the temperature that the data was sampled at."""

    Config: ClassVar[type[AgentConfig]] = ImportanceConfig
    config: ImportanceConfig

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch; where the loss has a ratio, of data whose log-probabilities and temperature are known."""
        batches = super().batches(data, tokens_per_batch, seed)
        known = self.config.has_ratio
        return known_ratios(self.name, self.config.behaviour_temperature, batches) if known else batches
