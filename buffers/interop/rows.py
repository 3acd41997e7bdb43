"""Trajectories one at a time, as other libraries hold them, and how they come together again.

Shape letters: S source length, T target length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories, merge_sources
from seq2seq_env.progress import progress_bar

CHUNK = 8192
"""Trajectories held at once as what another library makes of them; a few MiB."""

Item = TypeVar("Item")


class Chunk(NamedTuple):
    """Some trajectories of a slice, and where they come from, which :class:`Trajectories` leaves to the buffer."""

    trajectories: Trajectories
    """n of them."""
    grow_step: NDArray[np.int64]
    """int64 [n]; -1 where nobody recorded it."""
    candidate: NDArray[np.int64]
    """int64 [n], number of a sample among those of its source in its Grow step, from 0; -1 of a reference."""


class Row(NamedTuple):
    """One trajectory."""

    source_index: int
    """Row of the source: of the train split, or beyond its size of the source-only split."""
    source_tokens: NDArray[np.int32]
    """int32 [S], end-of-sequence included."""
    target_tokens: NDArray[np.int32]
    """int32 [T], end-of-sequence included where terminated."""
    log_prob: NDArray[np.float32]
    """float32 [T], NaN where the behaviour policy is unknown."""
    reward: float | np.float32
    """float32, NaN where nobody scored."""
    terminated: bool
    """False where the length limit cut the target."""
    is_reference: bool
    """True for an original pair."""


def rows(trajectories: Trajectories) -> Iterator[Row]:
    """Each trajectory, its arrays being views."""
    for index, place in enumerate(trajectories.source_positions):
        source = slice(*trajectories.source_offsets[place : place + 2])
        target = slice(*trajectories.offsets[index : index + 2])
        yield Row(
            int(trajectories.source_index[index]),
            trajectories.source_tokens[source],
            trajectories.tokens[target],
            trajectories.log_prob[target],
            trajectories.reward[index],
            bool(trajectories.terminated[index]),
            bool(trajectories.is_reference[index]),
        )


def join(some: Sequence[Row]) -> Trajectories:
    """The trajectories that rows describe, validated; sources that repeat are stored once.

    Raises:
        ValueError: If they are impossible.
    """
    index = np.array([row.source_index for row in some], dtype=np.int64)
    sources = [row.source_tokens for row in some]
    targets = [row.target_tokens for row in some]
    source_rows, source_offsets, source_tokens = merge_sources(index, _offsets(sources), _end_to_end(sources, np.int32))
    return Trajectories(
        source_index=index,
        offsets=_offsets(targets),
        tokens=_end_to_end(targets, np.int32),
        log_prob=_end_to_end([row.log_prob for row in some], np.float32),
        terminated=np.array([row.terminated for row in some], dtype=np.bool_),
        reward=np.array([row.reward for row in some], dtype=np.float32),
        is_reference=np.array([row.is_reference for row in some], dtype=np.bool_),
        source_rows=source_rows,
        source_offsets=source_offsets,
        source_tokens=source_tokens,
    )


def join_all(parts: Iterable[Trajectories]) -> Trajectories:
    """Parts end to end; no part gives no trajectory.

    Raises:
        ValueError: If they do not go together.
    """
    return Trajectories.concatenate(list(parts) or [join([])])


def in_chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """At most ``CHUNK`` at a time."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def chunks(data: Slice, *, progress: bool) -> Iterator[Chunk]:
    """A slice in order, at most ``CHUNK`` trajectories at a time.

    Args:
        data: Read in pieces.
        progress: Show trajectories done, rate and time left.
    """
    with progress_bar(total=len(data), unit="trajectory", desc="export", shown=progress) as bar:
        grow_step, candidate, done = data.grow_step, data.candidate, 0
        for piece in data.pieces():
            for start in range(0, len(piece), CHUNK):
                part = piece.take(np.arange(start, min(start + CHUNK, len(piece))))
                end = done + len(part)
                yield Chunk(part, grow_step[done:end], candidate[done:end])
                done = end
                bar.update(len(part))


def check_lengths(trajectories: Trajectories, max_source_length: int, max_target_length: int) -> None:
    """Refuse what an observation of these lengths cannot show.

    Raises:
        ValueError: Naming the length that is needed.
    """
    for name, lengths, limit in (
        ("target", trajectories.target_lengths, max_target_length),
        ("source", trajectories.source_lengths, max_source_length),
    ):
        longest = int(lengths.max(initial=0))
        if longest > limit:
            raise ValueError(f"a {name} has {longest} tokens; give max_{name}_length {longest} or more, not {limit}")


def stepwise_reward(rewards: NDArray[Any]) -> np.float32:
    """The reward of a target, from the rewards of its steps, which are 0 but for the last.

    Raises:
        ValueError: If an earlier step has a reward.
    """
    if np.any(rewards[:-1] != 0):
        raise ValueError("it has a reward before its last step; a trajectory has one, of the whole target")
    return np.float32(rewards[-1])


def _offsets(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, arrays)], dtype=np.int64)


def _end_to_end(arrays: Sequence[NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *arrays])
