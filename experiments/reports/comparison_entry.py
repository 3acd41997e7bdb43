"""Entry of a comparison: one agent on one kind of data, all of its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEASURES = {"reward": "rewards", "oracle": "qualities", "judge": "judgements"}
"""Means and the values by source that they are of; a run may have neither oracle nor judge."""


@dataclass(frozen=True)
class Entry:
    """All seeds of one agent on one kind of data, after its last Improve step.

    Attributes:
        agent: Its name.
        data: "own" or "filtered".
        steps: The last step of each seed.
        prepare_seconds: Mean time before the first Improve step.
    """

    agent: str
    data: str
    steps: list[dict[str, Any]]
    prepare_seconds: float

    @property
    def name(self) -> str:
        """As tables and plots show it."""
        return self.agent if self.data == "own" else f"{self.agent} ({self.data} data)"

    def by_source(self, key: str) -> NDArray[np.float64]:
        """float64 [R,N]."""
        return np.array([step[key] for step in self.steps], dtype=np.float64)

    def mean(self, key: str) -> float:
        """Mean over seeds of a number."""
        return float(np.mean([step[key] for step in self.steps]))

    def spread(self, key: str) -> float:
        """Standard deviation over seeds, 0 for one."""
        return float(np.std([step[key] for step in self.steps], ddof=1)) if len(self.steps) > 1 else 0.0


def measured_on(base: Mapping[str, Any]) -> list[str]:
    """The keys of :data:`MEASURES` that a policy has values of."""
    return [key for key, values in MEASURES.items() if base.get(values) is not None]
