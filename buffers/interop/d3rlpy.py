"""A slice of the buffer as a data set of d3rlpy, and back.

Shape letters: T target length, S longest source, P longest prefix.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from buffers.interop.rows import Row, check_lengths, in_chunks, join, join_all, rows, stepwise_reward
from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories
from seq2seq_env.extras import require


def d3rlpy_module() -> Any:
    """d3rlpy, imported without the notice that the old ``gym`` beside it prints.

    Raises:
        ImportError: If the extra ``d3rlpy`` is not installed.
    """
    with contextlib.redirect_stderr(io.StringIO()):
        return require("d3rlpy", "a data set or an agent of d3rlpy")


def to_d3rlpy(data: Slice, *, max_source_length: int, max_target_length: int, vocab_size: int) -> Any:
    """A ``d3rlpy.dataset.ReplayBuffer`` of a slice: an episode a trajectory, a transition a target token.

    An observation is a flat int32 row [S + P]: the source, padded to ``max_source_length``, then the prefix, padded to
    ``max_target_length - 1``. Rewards are 0 but for the last of an episode. What d3rlpy cannot hold: the behaviour
    policy's log-probabilities, the sources' rows, which targets are references, and that a target was cut by the
    length limit. d3rlpy drops the last transition of an episode that did not terminate, and with it the reward, so
    every episode is marked as terminated; nothing follows a cut target either.

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
    check_lengths(trajectories, max_source_length, max_target_length)
    episodes = []
    for row in rows(trajectories):
        source, target = row.source_tokens, row.target_tokens
        observations = np.full((len(target), max_source_length + max_target_length - 1), data.pad_id, dtype=np.int32)
        observations[:, : len(source)] = source
        for step in range(1, len(target)):
            observations[step, max_source_length : max_source_length + step] = target[:step]
        rewards = np.zeros((len(target), 1), dtype=np.float32)
        rewards[-1] = row.reward
        episodes.append(library.dataset.Episode(observations, target[:, None], rewards, terminated=True))
    return library.dataset.ReplayBuffer(
        library.dataset.InfiniteBuffer(),
        episodes=episodes,
        action_space=library.ActionSpace.DISCRETE,
        action_size=int(vocab_size),  # Discrete.n is a number of NumPy, which d3rlpy could not save
    )


def from_d3rlpy(dataset: Any, *, max_source_length: int, pad_id: int, eos_id: int) -> Trajectories:
    """The trajectories of a ``ReplayBuffer`` or ``MDPDataset`` whose observations are those of :func:`to_d3rlpy`.

    Sources, targets and rewards come back exactly. What d3rlpy does not hold: log-probabilities are NaN, no target is
    a reference, a target terminated if it ends with ``eos_id``, and ``source_index`` numbers the distinct sources in
    the order of their appearance, so it is no row of a split.

    Args:
        dataset: Whole episodes.
        max_source_length: S.
        pad_id: The tokenizer's padding token.
        eos_id: The tokenizer's end-of-sequence token.

    Raises:
        ValueError: If an episode is not one of translation, naming it.
    """
    episodes = _episodes(dataset, max_source_length, pad_id, eos_id)
    return join_all(join(chunk) for chunk in in_chunks(episodes))


def _episodes(dataset: Any, max_source_length: int, pad_id: int, eos_id: int) -> Iterator[Row]:
    seen: dict[bytes, int] = {}
    for number, episode in enumerate(dataset.episodes):
        try:
            row = _row(episode, max_source_length, pad_id, eos_id)
        except (ValueError, IndexError) as error:
            raise ValueError(f"episode {number} is no translation as to_d3rlpy makes it: {error}") from error
        yield row._replace(source_index=seen.setdefault(row.source_tokens.tobytes(), len(seen)))


def _row(episode: Any, max_source_length: int, pad_id: int, eos_id: int) -> Row:
    observations, target = np.asarray(episode.observations), np.asarray(episode.actions)[:, 0].astype(np.int32)
    prefix = observations[-1, max_source_length:][: len(target) - 1]
    if not np.array_equal(prefix, target[:-1]):
        raise ValueError("its last prefix is not what its actions wrote")
    source = observations[0, :max_source_length].astype(np.int32)
    return Row(
        source_index=0,
        source_tokens=source[: int(np.flatnonzero(source != pad_id).max(initial=-1)) + 1],
        target_tokens=target,
        log_prob=np.full(len(target), np.nan, dtype=np.float32),
        reward=stepwise_reward(np.asarray(episode.rewards)[:, 0]),
        terminated=bool(target[-1] == eos_id),
        is_reference=False,
    )
