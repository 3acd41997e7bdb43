"""Hypotheses as flat arrays with offsets: what a policy samples, and what a shard stores.

Shape letters: N trajectories, L target tokens in all, U sources, K source tokens in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers.storage.layout import Layout, check_layout, check_offsets, gather, show

SAMPLES_LAYOUT: Layout = {
    "source_index": (np.dtype(np.int64), "N"),
    "offsets": (np.dtype(np.int64), "N+1"),
    "tokens": (np.dtype(np.int32), "L"),
    "log_prob": (np.dtype(np.float32), "L"),
    "terminated": (np.dtype(np.bool_), "N"),
}

TRAJECTORIES_LAYOUT: Layout = {
    **SAMPLES_LAYOUT,
    "reward": (np.dtype(np.float32), "N"),
    "is_reference": (np.dtype(np.bool_), "N"),
    "source_rows": (np.dtype(np.int64), "U"),
    "source_offsets": (np.dtype(np.int64), "U+1"),
    "source_tokens": (np.dtype(np.int32), "K"),
}

AXES = {name: axis for name, (_, axis) in TRAJECTORIES_LAYOUT.items()}

# log_softmax in float32 may end a rounding error above zero; a sign mistake ends far above it.
LOG_PROB_TOLERANCE = 1e-3


def _check_log_prob(owner: str, log_prob: NDArray[np.float32], offsets: NDArray[np.int64] | None = None) -> None:
    """Refuse what is no log-probability; with ``offsets`` (int64 [N+1]) a target may lack all of its own (NaN)."""
    bad = np.flatnonzero(~(np.isfinite(log_prob) & (log_prob <= LOG_PROB_TOLERANCE)))
    if bad.size and offsets is not None:
        unknown = np.isnan(log_prob)
        whole = np.add.reduceat(unknown, offsets[:-1], dtype=np.int64) == np.diff(offsets)
        bad = bad[~(unknown & np.repeat(whole, np.diff(offsets)))[bad]]
    if bad.size:
        i = int(bad[0])
        raise ValueError(
            f"{owner}.log_prob is {log_prob[i]} at token {i}; give the finite natural logarithm of a probability"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Samples:
    """What a policy gives back: N ragged hypotheses, L tokens in all.

    Attributes:
        source_index: int64 [N], row of the ``sources`` the policy was given.
        offsets: int64 [N+1]; hypothesis ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``.
        tokens: int32 [L], without start token, end-of-sequence included where terminated.
        log_prob: float32 [L], natural logarithm of each token's probability under the behaviour policy at the
            sampling temperature.
        terminated: bool [N], False where the length limit cut the hypothesis.
        texts: N decoded hypotheses.

    Raises:
        TypeError: If a field has another dtype.
        ValueError: If shapes, offsets or log-probabilities are impossible.
    """

    source_index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int32]
    log_prob: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    texts: list[str]

    def __post_init__(self) -> None:
        sizes = check_layout("Samples", vars(self), SAMPLES_LAYOUT)
        check_offsets("Samples.offsets", self.offsets, sizes["L"])
        _check_log_prob("Samples", self.log_prob)
        if len(self.texts) != sizes["N"]:
            raise ValueError(
                f"Samples.texts has {len(self.texts)} entries for {sizes['N']} hypotheses; decode each one"
            )

    def __len__(self) -> int:
        return len(self.source_index)

    def __repr__(self) -> str:
        return show(self)


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories:
    """Episodes with their rewards and sources: what a shard stores.

    Attributes:
        source_index: int64 [N], row of the source: of the task's train split, or from ``task.size("train")`` on of its
            source-only split.
        offsets: int64 [N+1]; the target of trajectory ``i`` is ``tokens[offsets[i]:offsets[i + 1]]``.
        tokens: int32 [L], without start token, end-of-sequence included where terminated.
        log_prob: float32 [L], under the behaviour policy at the sampling temperature; NaN in all of a target where
            nobody recorded them.
        terminated: bool [N], False where the length limit cut the target.
        reward: float32 [N], the scorer's value of the whole target, in [0, 1].
        is_reference: bool [N], True for the original pairs.
        source_rows: int64 [U], rows of the sources whose tokens follow, rising, each once.
        source_offsets: int64 [U+1].
        source_tokens: int32 [K], end-of-sequence included.

    Pairs that nobody has scored (the supervised data) hold NaN in *all* of ``reward`` and ``log_prob``.

    Raises:
        TypeError: If a field has another dtype.
        ValueError: If shapes, offsets, rewards, log-probabilities or source rows are impossible.
    """

    source_index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int32]
    log_prob: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    reward: NDArray[np.float32]
    is_reference: NDArray[np.bool_]
    source_rows: NDArray[np.int64]
    source_offsets: NDArray[np.int64]
    source_tokens: NDArray[np.int32]

    def __post_init__(self) -> None:
        sizes = check_layout("Trajectories", vars(self), TRAJECTORIES_LAYOUT)
        given = vars(self) if self.is_scored else {k: v for k, v in vars(self).items() if k != "reward"}
        check_values("Trajectories", given, sizes)

    @property
    def is_scored(self) -> bool:
        """False for pairs without any reward and log-probability (NaN throughout)."""
        return self.has_log_prob or not bool(np.isnan(self.reward).all())

    @property
    def has_log_prob(self) -> bool:
        """False where nobody recorded any log-probability (NaN throughout)."""
        return len(self) == 0 or not bool(np.isnan(self.log_prob).all())

    @property
    def source_positions(self) -> NDArray[np.int64]:
        """int64 [N], where each trajectory's source stands among ``source_rows``."""
        return np.searchsorted(self.source_rows, self.source_index).astype(np.int64)

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """int64 [N], tokens of each trajectory's source."""
        return np.diff(self.source_offsets)[self.source_positions]

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """int64 [N], tokens of each target."""
        return np.diff(self.offsets)

    def check_tokens(self, vocab_size: int) -> None:
        """Refuse token ids that a vocabulary does not have.

        Raises:
            ValueError: Naming the first.
        """
        for name in ("tokens", "source_tokens"):
            ids = getattr(self, name)
            bad = np.flatnonzero((ids < 0) | (ids >= vocab_size))
            if bad.size:
                raise ValueError(
                    f"Trajectories.{name} has token {ids[bad[0]]} at place {bad[0]}, the vocabulary has {vocab_size}; "
                    "the shard is corrupt or of another tokenizer"
                )

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Trajectories:
        """Chosen trajectories, in the order of ``index``, with only the sources that they need.

        Args:
            index: int64 [n] rows, or bool [N] mask.

        Raises:
            IndexError: If a row does not exist.
        """
        rows = np.arange(len(self), dtype=np.int64)[index]
        positions, offsets = gather(self.offsets, rows)
        source_rows = np.unique(self.source_index[rows])
        source_positions, source_offsets = gather(self.source_offsets, np.searchsorted(self.source_rows, source_rows))
        along = {"N": rows, "L": positions, "K": source_positions}
        taken = {name: getattr(self, name)[along[axis]] for name, axis in AXES.items() if axis in along}
        return Trajectories(**taken, offsets=offsets, source_rows=source_rows, source_offsets=source_offsets)

    @classmethod
    def concatenate(cls, parts: Sequence[Trajectories]) -> Trajectories:
        """All trajectories of ``parts`` in order; a source that several parts hold is stored once.

        Raises:
            ValueError: If there is no part, or two parts give the same source row other tokens.
        """
        if not parts:
            raise ValueError("nothing to concatenate; give at least one Trajectories")
        if len(parts) == 1:
            return parts[0]
        source_rows, source_offsets, source_tokens = merge_sources(
            np.concatenate([part.source_rows for part in parts]),
            _join_offsets([part.source_offsets for part in parts]),
            np.concatenate([part.source_tokens for part in parts]),
        )
        own = [name for name, axis in AXES.items() if axis in ("N", "L")]
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in own},
            offsets=_join_offsets([part.offsets for part in parts]),
            source_rows=source_rows,
            source_offsets=source_offsets,
            source_tokens=source_tokens,
        )

    def __len__(self) -> int:
        return len(self.source_index)

    def __repr__(self) -> str:
        return show(self)


def merge_sources(
    rows: NDArray[np.int64], offsets: NDArray[np.int64], tokens: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """``source_rows``, ``source_offsets`` and ``source_tokens`` of sources that may repeat.

    Args:
        rows: [n] rows of the sources, in any order.
        offsets: [n+1] of their tokens.
        tokens: Their tokens, end to end.

    Raises:
        ValueError: If a row has other tokens where it repeats.
    """
    source_rows, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    used, source_offsets = gather(offsets, first)
    again, again_offsets = gather(offsets, first[inverse])
    if not (np.array_equal(again_offsets, offsets) and np.array_equal(tokens[again], tokens)):
        raise ValueError("different tokens for one source row; they come from different tasks")
    return source_rows, source_offsets, tokens[used]


def check_values(owner: str, arrays: Mapping[str, NDArray[Any]], sizes: Mapping[str, int]) -> None:
    """Refuse impossible values.

    Args:
        owner: What errors call it.
        arrays: Some fields of :class:`Trajectories` that follow its layout, by name; scored.
        sizes: Of its axes.

    Raises:
        ValueError: Naming the first bad field, and what is wrong with it.
    """
    for name, axis in (("offsets", "L"), ("source_offsets", "K")):
        if name in arrays:
            check_offsets(f"{owner}.{name}", arrays[name], sizes[axis])
    for name in ("tokens", "source_tokens"):
        if name in arrays and arrays[name].dtype.kind == "i" and arrays[name].min(initial=0) < 0:
            raise ValueError(f"{owner}.{name} has token {arrays[name].min()}; a token id is at least 0")
    rows = arrays.get("source_rows", np.zeros(0, dtype=np.int64))
    if np.any(np.diff(rows, prepend=-1) <= 0):
        raise ValueError(f"{owner}.source_rows must rise from 0 or above, each row once; sort them and drop repeats")
    if {"source_index", "source_rows"} <= set(arrays):
        missing = arrays["source_index"][~np.isin(arrays["source_index"], rows)]
        if missing.size:
            raise ValueError(f"{owner}.source_rows lacks row {missing[0]} of source_index; store its tokens too")
    if "log_prob" in arrays:
        _check_log_prob(owner, arrays["log_prob"], arrays.get("offsets"))
    if "reward" in arrays:
        check_rewards(f"{owner}.reward", arrays["reward"])


def check_rewards(name: str, reward: NDArray[np.float32]) -> None:
    """Refuse a reward that is not a number in [0, 1].

    Raises:
        ValueError: Naming the first bad row and its value.
    """
    bad = np.flatnonzero(~((reward >= 0) & (reward <= 1)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"{name} is {reward[i]} at row {i}; a reward is a finite number in [0, 1]")


def _join_offsets(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
