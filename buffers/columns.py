"""What filters and batch plans need of trajectories, without their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from buffers.layout import show
from buffers.shard import Shard
from buffers.trajectories import Trajectories


@dataclass(frozen=True, eq=False, repr=False)
class Columns:
    """One number a trajectory: what filters and batch plans need, without tokens.

    Attributes:
        source_index: int64 [N], row of the train split.
        source_length: int64 [N], tokens.
        target_length: int64 [N], tokens.
        reward: float32 [N].
        terminated: bool [N].
        is_reference: bool [N].
    """

    source_index: NDArray[np.int64]
    source_length: NDArray[np.int64]
    target_length: NDArray[np.int64]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    is_reference: NDArray[np.bool_]

    @classmethod
    def of(cls, trajectories: Trajectories) -> Columns:
        """The columns of trajectories in memory."""
        return cls(
            source_index=trajectories.source_index,
            source_length=np.diff(trajectories.source_offsets)[trajectories.source_positions],
            target_length=np.diff(trajectories.offsets),
            reward=trajectories.reward,
            terminated=trajectories.terminated,
            is_reference=trajectories.is_reference,
        )

    @classmethod
    def of_shard(cls, shard: Shard) -> Columns:
        """The columns of a shard, read without its tokens.

        Raises:
            ShardError: If the shard is damaged.
        """
        names = ("source_index", "offsets", "reward", "terminated", "is_reference", "source_rows", "source_offsets")
        stored = shard.read_arrays(names)
        position = np.searchsorted(stored["source_rows"], stored["source_index"])
        return cls(
            source_index=stored["source_index"],
            source_length=np.diff(stored["source_offsets"])[position],
            target_length=np.diff(stored["offsets"]),
            reward=stored["reward"],
            terminated=stored["terminated"],
            is_reference=stored["is_reference"],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Columns]) -> Columns:
        """The columns of at least one part, end to end."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        return show(self)
