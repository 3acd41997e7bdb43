"""Agents that learn from pairs: the best and the worst candidate of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.policy.dropout import dropout_off
from agents.preferences import Pair, best_and_worst, sequence_pairs
from agents.unusable_data import UnusableDataError
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.ranges import zero_or_more


@dataclass(frozen=True)
class PreferenceConfig(AgentConfig):
    """Options of an agent that learns from pairs.

    Raises:
        ValueError: If a value is out of range.
    """

    margin: float = 0.05
    """Reward by which the best candidate must beat the worst for the source to count."""

    def __post_init__(self) -> None:
        zero_or_more(self, "margin")


class PreferenceAgent(LossAgent):
    """An agent whose batches hold pairs of a source's candidates, its reference among them: best, worst, best, worst.

    Preferences are made from rewards, of which only the order and the margin count.
    """

    filters: ClassVar[bool] = False
    least: ClassVar[int] = 2
    Config: ClassVar[type[AgentConfig]] = PreferenceConfig
    config: PreferenceConfig

    def usable(self, data: Slice) -> Slice:
        """The trajectories that are in pairs."""
        used = np.zeros(len(data), dtype=np.bool_)
        used[self.pairs(data) if len(data) else []] = True
        return data.where(used)

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of pairs."""
        return data.groups([self.pairs(data)], tokens_per_batch, seed=seed)

    def pairs(self, data: Slice) -> NDArray[np.int64]:
        """Positions [P,2] of the best and the worst of each source.

        Raises:
            ValueError: If rewards are missing, or no source has two candidates that differ by the margin.
        """
        check_scored(self.name, data)
        pairs = best_and_worst(data.source_index, data.rewards, self.config.margin)
        if not len(pairs):
            raise UnusableDataError(
                f"no source of {data!r} has two candidates whose rewards differ by more than {self.config.margin}; "
                "lower the margin, or grow more candidates"
            )
        return pairs

    def log_prob(self, batch: TokenBatch) -> Tensor:
        """``log pi(y_t|x)`` with gradient, float32 [B,T], without dropout as ``pi_0`` is.

        A ratio is then 0 where the policy has not moved. With dropout, which costs a likely target and favours one that
        the policy never writes, the worse candidates of a batch would seem to be nats ahead of the better ones.
        """
        with dropout_off(self.policy.model):
            return self.policy.evaluate(batch).log_prob

    def ratios(self, log_prob: Tensor, batch: TokenBatch) -> Pair:
        """``log pi(y|x) - log pi_0(y|x)``, for an agent whose ``parts`` has the prior ``pi_0``.

        Args:
            log_prob: float32 [B,T], the policy's.
            batch: Of pairs.
        """
        with torch.no_grad():
            log_prior = self.prior.evaluate(batch).log_prob  # [B,T]
        return sequence_pairs(log_prob - log_prior, batch.target_mask)
