"""Value networks that were trained before an agent's first step, for its trainings at other learning rates."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import agents

if TYPE_CHECKING:
    from agents import Agent, TrainingConfig
    from buffers import Slice


class PreparedValues:
    """Prepares agents, and gives the last one's value network to the next of the same key."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._kept: agents.ValueAgent | None = None
        self._spent: dict[str, float] = {}

    def prepare(
        self, agent: Agent, data: Slice, training: TrainingConfig, *key: object
    ) -> tuple[dict[str, float], bool]:
        """What :meth:`Agent.prepare` does, or what it came to for the last agent.

        Args:
            agent: With new weights of its own.
            data: All that was grown.
            training: Of the Improve steps, whose learning rate plays no part.
            *key: Of everything else that ``prepare`` depends on.

        Returns:
            ``wall_seconds`` and ``cpu_seconds`` that it takes, and whether they were spent before.
        """
        if isinstance(agent, agents.ValueAgent) and self._kept is not None and key == self._key:
            agent.adopt(self._kept)
            return self._spent, True
        started, worked = time.perf_counter(), time.process_time()
        agent.prepare(data, training)
        spent = {"wall_seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
        if isinstance(agent, agents.ValueAgent):
            self._key, self._kept, self._spent = key, copy.copy(agent), spent
            self._kept.adopt(agent)  # the agent goes on to train its own network
        return spent, False
