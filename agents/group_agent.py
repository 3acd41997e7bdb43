"""Online agents that compare a source's candidates with one another, in place of a value network."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.online_agent import OnlineAgent
from agents.unusable_data import UnusableDataError
from buffers import Batches, Slice


class GroupAgent(OnlineAgent):
    """An online agent whose advantage is a candidate's reward against those of the same source's others."""

    least: ClassVar[int] = 2

    def grouped(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch, a source's candidates together.

        Raises:
            ValueError: If the sources do not have as many candidates each, at least two.
        """
        return data.groups([candidates_of_sources(self.name, data)], tokens_per_batch, seed=seed)


def candidates_of_sources(name: str, data: Slice) -> NDArray[np.int64]:
    """Positions of each source's candidates, int64 [P,K].

    Args:
        name: Of the agent, for the error.
        data: Not empty.

    Raises:
        ValueError: If a source has fewer than two, or another number than the others.
    """
    order = np.argsort(data.source_index, kind="stable").astype(np.int64)
    _, counts = np.unique(data.source_index, return_counts=True)
    fewest, most = int(counts.min()), int(counts.max())
    if fewest < 2 or fewest != most:
        raise UnusableDataError(
            f"agent {name!r} compares a source's candidates, and the sources have {fewest} to {most} of them; give "
            "each source as many, at least 2"
        )
    return order.reshape(-1, most)
