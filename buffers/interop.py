"""A slice of the buffer as other libraries' data sets.

Shape letters: T target length, S longest source, P longest prefix.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from buffers.slices import Slice


def d3rlpy_module() -> Any:
    """d3rlpy, imported without the notice that the old ``gym`` beside it prints."""
    with contextlib.redirect_stderr(io.StringIO()):
        import d3rlpy
    return d3rlpy


def to_d3rlpy(data: Slice, *, max_source_length: int, max_target_length: int, vocab_size: int) -> Any:
    """A ``d3rlpy.dataset.ReplayBuffer`` of a slice: an episode a trajectory, a transition a target token.

    An observation is a flat int32 row [S + P]: the source, padded to ``max_source_length``, then the prefix, padded to
    ``max_target_length - 1``. Rewards are 0 but for the last of an episode. What d3rlpy cannot hold: the behaviour
    policy's log-probabilities, and that a target was cut by the length limit. d3rlpy drops the last transition of an
    episode that did not terminate, and with it the reward, so every episode is marked as terminated; nothing follows
    a cut target either.

    Args:
        data: Scored.
        max_source_length: S.
        max_target_length: P + 1, tokens after which writing stops.
        vocab_size: Number of actions.

    Raises:
        ValueError: If a reward is missing, or a source or target is longer than these lengths.
    """
    library = d3rlpy_module()
    missing = int(np.isnan(data.rewards).sum())
    if missing:
        raise ValueError(f"d3rlpy needs rewards, {missing} of {len(data)} trajectories have none; grow a scored batch")
    trajectories = data.read()
    for offsets, limit, name in (
        (trajectories.offsets, max_target_length, "target"),
        (trajectories.source_offsets, max_source_length, "source"),
    ):
        found = int(np.diff(offsets).max(initial=0))
        if found > limit:
            raise ValueError(f"a {name} has {found} tokens; give max_{name}_length {found} or more, not {limit}")
    episodes = []
    for row, place in enumerate(trajectories.source_positions):
        low, high = trajectories.source_offsets[place : place + 2]
        source = trajectories.source_tokens[low:high]
        low, high = trajectories.offsets[row : row + 2]
        target = trajectories.tokens[low:high]
        observations = np.full((len(target), max_source_length + max_target_length - 1), data.pad_id, dtype=np.int32)
        observations[:, : len(source)] = source
        for step in range(1, len(target)):
            observations[step, max_source_length : max_source_length + step] = target[:step]
        rewards = np.zeros((len(target), 1), dtype=np.float32)
        rewards[-1] = trajectories.reward[row]
        episodes.append(library.dataset.Episode(observations, target[:, None], rewards, terminated=True))
    return library.dataset.ReplayBuffer(
        library.dataset.InfiniteBuffer(),
        episodes=episodes,
        action_space=library.ActionSpace.DISCRETE,
        action_size=vocab_size,
    )
