"""An agent that is given by its loss.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from agents.agent import Agent
from agents.training.history import Evaluate, ImproveReport, Log
from agents.training.loop import fit
from agents.training.training_config import TrainingConfig
from buffers import Batches, Slice, TokenBatch


class LossAgent(Agent):
    """An algorithm that is a loss of a batch, trained by the one optimisation loop, :func:`agents.training.loop.fit`.

    A subclass's class docstring is the equation, its :meth:`loss` the same in code, its ``Config`` the equation's
    symbols.
    """

    @abstractmethod
    def loss(self, batch: TokenBatch, progress: float = 0.0) -> NamedTuple:
        """The loss of one batch, with gradient, and what is worth watching beside it.

        Args:
            batch: On the policy's device.
            progress: Share of the Improve step's budget that is spent, for what is annealed.

        Returns:
            A named tuple of scalars whose first field is ``loss``; the other fields' names are the metrics' names.
        """

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of an Improve step's data, as :meth:`loss` wants it."""
        return data.batches(tokens_per_batch, seed=seed)

    def train(self, data: Slice, config: TrainingConfig, evaluate: Evaluate | None, log: Log | None) -> ImproveReport:
        """See :meth:`Agent.train`."""
        return fit(self, data, config, evaluate, log)
