"""Agents that look at the candidates of a source together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.agent import AgentConfig, LossAgent
from agents.candidates import candidate_groups
from agents.importance import check_scored
from agents.unusable_data import UnusableDataError
from buffers import Batches, Slice


@dataclass(frozen=True)
class CandidateConfig(AgentConfig):
    """Options of an agent whose loss is of a source's candidates.

    Raises:
        ValueError: If a value is out of range.
    """

    most_candidates: int = 16
    """Candidates of a source that a batch holds together, at least 2; of more, so many are drawn anew each epoch."""

    def __post_init__(self) -> None:
        if self.most_candidates < 2:
            raise ValueError(f"most_candidates is {self.most_candidates}; give at least 2, which can be compared")


class CandidateAgent(LossAgent):
    """An agent whose batches hold all candidates of a source together, its reference among them."""

    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = CandidateConfig
    config: CandidateConfig

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of groups."""
        places, rng = self.compared(data), np.random.default_rng(seed)
        groups = candidate_groups(data.source_index[places], self.least, self.config.most_candidates, rng)
        return data.groups([places[each] for each in groups], tokens_per_batch, seed=seed)

    def usable(self, data: Slice) -> Slice:
        """The candidates of sources that have enough of them."""
        used = np.zeros(len(data), dtype=np.bool_)
        used[self.compared(data) if len(data) else []] = True
        return data.where(used)

    def compared(self, data: Slice) -> NDArray[np.int64]:
        """Positions [n] of the candidates of sources that have enough of them.

        Raises:
            ValueError: If rewards are missing, or no source has.
        """
        check_scored(self.name, data)
        places = self.candidates(data)
        _, number, count = np.unique(data.source_index[places], return_inverse=True, return_counts=True)
        kept = places[count[number] >= self.least]
        if not len(kept):
            raise UnusableDataError(
                f"no source of {data!r} has {self.least} candidates to compare; grow more candidates"
            )
        return kept

    def candidates(self, data: Slice) -> NDArray[np.int64]:
        """Positions [n] of the trajectories that are candidates: all."""
        return np.arange(len(data), dtype=np.int64)
