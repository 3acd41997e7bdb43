"""A view of stored trajectories: storage plus an index. A filter gives another view and copies no token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from buffers.filters import Filter
from buffers.row_reader import RowReader
from buffers.storage.columns import Columns, InMemory
from buffers.storage.encoding import encode_references, encode_sources, flatten
from buffers.storage.row_hashes import row_hashes
from buffers.storage.trajectories import Trajectories
from buffers.storage.turns import turns
from seq2seq_env.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from buffers.batches import Batches


class Slice:
    """Some of the trajectories of a buffer, in the order they are stored.

    Make one with :meth:`GrowingBatchBuffer.select`, :meth:`from_pairs` or :meth:`from_trajectories`.

    Args:
        columns: The storage.
        index: int64 [n], the chosen rows of ``columns``, rising.
        pad_id: The tokenizer's padding token.
        vocab_size: Token ids must lie below it when they are read; None takes any.
    """

    def __init__(self, columns: Columns, index: NDArray[np.int64], pad_id: int, vocab_size: int | None = None) -> None:
        self._columns, self._index = columns, index
        self.pad_id, self._vocab_size = pad_id, vocab_size
        self._reader = RowReader(columns, index, pad_id, vocab_size)

    @classmethod
    def of_columns(cls, columns: Columns, pad_id: int, vocab_size: int | None, filter: Filter | None) -> Slice:  # noqa: A002
        """All rows of a storage, or what a filter keeps of them; see :meth:`GrowingBatchBuffer.select`."""
        # Of many rows not even the numbers should be held, and a part's need not wait for the others'.
        if filter is not None and columns.is_large and (columns.is_one_step or not filter.by_source):
            return cls(columns, columns.kept(filter, by_source=filter.by_source), pad_id, vocab_size)
        whole = cls(columns, np.arange(len(columns), dtype=np.int64), pad_id, vocab_size)
        return whole if filter is None else whole.select(filter)

    @classmethod
    def from_trajectories(cls, trajectories: Trajectories, pad_id: int, temperature: float | None = None) -> Slice:
        """A slice of all trajectories, in memory; ``temperature`` is that of their sampling, None where unknown."""
        columns = Columns([InMemory(trajectories, temperature)])
        return cls(columns, np.arange(len(trajectories), dtype=np.int64), pad_id)

    @classmethod
    def from_pairs(
        cls,
        sources: Sequence[str],
        references: Sequence[str],
        tokenizer: Tokenizer,
        max_source_length: int,
        max_target_length: int,
    ) -> Slice:
        """The supervised data D in memory, with reward and log-probability NaN.

        A reference beyond ``max_target_length`` tokens is cut there and does not terminate.

        Raises:
            ValueError: If the texts are not aligned, or a source is empty or too long.
        """
        if len(sources) != len(references) or not len(sources):
            raise ValueError(f"{len(sources)} sources and {len(references)} references; give pairs, at least one")
        rows = np.arange(len(sources), dtype=np.int64)
        source = flatten(encode_sources(sources, range(len(sources)), tokenizer, max_source_length))
        targets, terminated = encode_references(references, tokenizer, max_target_length)
        target = flatten(targets)
        trajectories = Trajectories(
            source_index=rows,
            offsets=target.offsets,
            tokens=target.tokens,
            log_prob=np.full(len(target.tokens), math.nan, dtype=np.float32),
            terminated=np.array(terminated),
            reward=np.full(len(rows), math.nan, dtype=np.float32),
            is_reference=np.ones(len(rows), dtype=np.bool_),
            source_rows=rows,
            source_offsets=source.offsets,
            source_tokens=source.tokens,
        )
        return cls.from_trajectories(trajectories, tokenizer.pad_id)

    def joined(self, other: Slice) -> Slice:
        """The trajectories of both, of another buffer, say; those of ``other`` come last.

        Raises:
            ValueError: If the two are padded with different tokens.
        """
        if other.pad_id != self.pad_id:
            raise ValueError(f"slices with padding {self.pad_id} and {other.pad_id} are of different tokenizers")
        columns = Columns([*self._columns.parts, *other._columns.parts])
        index = np.concatenate([self._index, len(self._columns) + other._index])
        return Slice(columns, index, self.pad_id, self._vocab_size)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        parts = len(self._columns.parts)
        return (
            f"Slice(trajectories=[{len(self)}] of [{len(self._columns)}], tokens=[{self.num_tokens}], parts=[{parts}])"
        )

    @property
    def rows(self) -> NDArray[np.int64]:
        """Places [n] in the storage, rising; :attr:`TokenBatch.row` holds them."""
        return self._index

    def shares_storage(self, other: Slice) -> bool:
        """Whether both are views of one storage, so that a row means the same trajectory in both."""
        return self._columns is other._columns

    @property
    def storage_target_lengths(self) -> NDArray[np.int64]:
        """Target tokens [N] of each trajectory of the storage, chosen or not."""
        return self._columns.target_length

    @property
    def rewards(self) -> NDArray[np.float32]:
        """Rewards [n], in [0, 1], or NaN where nobody scored."""
        return self._columns.at("reward", self._index)

    @property
    def source_index(self) -> NDArray[np.int64]:
        """Rows [n] of the sources: of the train split, and from ``task.size("train")`` on of the source-only split."""
        return self._columns.at("source_index", self._index)

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """Target tokens [n] of each trajectory."""
        return self._columns.at("target_length", self._index)

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """Tokens [n] of each trajectory's source."""
        return self._columns.at("source_length", self._index)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Mask [n], False where the length limit cut the target."""
        return self._columns.at("terminated", self._index)

    @property
    def is_reference(self) -> NDArray[np.bool_]:
        """Mask [n], True for the original pairs."""
        return self._columns.at("is_reference", self._index)

    @property
    def grow_step(self) -> NDArray[np.int64]:
        """Grow steps [n], or -1 where nobody recorded it."""
        return self._columns.grow_step(self._index)

    @property
    def candidate(self) -> NDArray[np.int64]:
        """Numbers [n] of the samples among all of their source in their Grow step, from 0; -1 of a reference."""
        return self._columns.candidate[self._index]

    @property
    def num_tokens(self) -> int:
        """Target tokens, end-of-sequence included."""
        return int(self.target_lengths.sum())

    def mean_reward(self) -> float:
        """Mean of the rewards, NaN for an empty slice."""
        return float(self.rewards.mean(dtype=np.float64)) if len(self) else math.nan

    def select(self, filter: Filter) -> Slice:  # noqa: A002  # the word users know
        """The view of what a filter keeps; it may be empty.

        Per-source filters rank the trajectories of *this* slice, so filter the whole of a Grow step each time.

        Raises:
            ValueError: If the slice was never scored.
        """
        if len(self) and np.isnan(self.rewards).all():
            raise ValueError(f"{self!r} has no rewards to filter by; select from grown trajectories")
        source_index = self.source_index if filter.by_source else np.empty(0, dtype=np.int64)
        return self.where(filter(source_index, self.rewards))

    def where(self, mask: NDArray[np.bool_]) -> Slice:
        """The view of the trajectories at which ``mask`` (bool [n]) is true."""
        return Slice(self._columns, self._index[mask], self.pad_id, self._vocab_size)

    def drawn(self, most: int, *, seed: int) -> Slice:
        """The view of up to ``most`` trajectories, drawn without replacement, each as likely as any other."""
        if len(self) <= most:
            return self
        mask = np.zeros(len(self), dtype=np.bool_)
        mask[np.random.default_rng(seed).choice(len(self), most, replace=False)] = True
        return self.where(mask)

    def read(self) -> Trajectories:
        """All the slice's trajectories in memory, in order."""
        return self._reader.load(self._index)

    def pieces(self) -> Iterator[Trajectories]:
        """All the slice's trajectories in order, at most about ``POOL_TOKENS`` tokens in memory at once."""
        for rows in turns(self._columns, self._index, None):
            yield self._reader.load(rows)

    def by_part(self) -> Iterator[Slice]:
        """The slice shard by shard: a view of each alone, which reads and holds nothing of the others."""
        starts = self._columns.starts
        bounds = np.searchsorted(self._index, starts)
        for part, start, low, high in zip(self._columns.parts, starts, bounds, bounds[1:], strict=False):
            yield Slice(Columns([part]), self._index[low:high] - start, self.pad_id, self._vocab_size)

    def distinct(self) -> Slice:
        """The view of each target once: the first of those with the same source and target; see :meth:`firsts`.

        A reference stays in place of samples that say the same where the slice begins with the original data.
        """
        return self.where(self.firsts() == self._index)

    def distinct_samples(self) -> int:
        """Distinct pairs of source and sampled target, references left out; see :meth:`firsts`."""
        samples = self.where(~self.is_reference)
        return len(np.unique(samples._all_hashes()))

    def firsts(self) -> NDArray[np.int64]:
        """For each trajectory, the row of the slice's first with the same source and target, int64 [n].

        Told by 64-bit hashes, of which two among 16 million coincide about once in 100,000 calls.
        """
        if not len(self):
            return self._index
        _, first, same = np.unique(self._all_hashes(), return_index=True, return_inverse=True)
        return self._index[first[same]]

    def _all_hashes(self) -> NDArray[np.uint64]:
        """Of source and target of each trajectory, uint64 [n]."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *(row_hashes(piece) for piece in self.pieces())])

    def batches(self, tokens_per_batch: int, *, seed: int, shuffle: bool = True) -> Batches:
        """One epoch: every trajectory once, in batches of similar lengths.

        A batch has at most ``tokens_per_batch`` tokens, padding counted, on its wider side: ``B * max(S, T)``. A
        trajectory beyond that budget is a batch of its own. An empty slice gives no batch. Beyond ``POOL_TOKENS``
        tokens the parts are read in turns, and mixed within a turn.

        Args:
            tokens_per_batch: At least 1.
            seed: Determines the order; use another for each epoch.
            shuffle: False keeps the order of the slice, at the price of more padding; the seed then plays no part.

        Raises:
            ValueError: If ``tokens_per_batch`` is below 1.
        """
        from buffers.batches import Batches

        _check_budget(tokens_per_batch)
        return Batches(partial(self._reader.batches, tokens_per_batch, seed if shuffle else None))

    def plan(self, tokens_per_batch: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
        """The rows of each batch of :meth:`batches`, int64 [B], in its order; lengths are read, no tokens.

        Args:
            tokens_per_batch: As in :meth:`batches`.
            seed: Likewise.

        Raises:
            ValueError: If ``tokens_per_batch`` is below 1.
        """
        _check_budget(tokens_per_batch)
        yield from self._reader.plan(tokens_per_batch, seed)

    def groups(self, members: Sequence[NDArray[np.int64]], tokens_per_batch: int, *, seed: int) -> Batches:
        """One epoch of groups of trajectories that stay together: pairs of a better and a worse one, say.

        The trajectories of all groups are held in memory.

        Args:
            members: For each size K of groups int64 [P,K], positions among the slice's trajectories.
            tokens_per_batch: As in :meth:`batches`; a group beyond it is a batch of its own.
            seed: Determines the order.

        Returns:
            Batches of whole groups of one size: rows ``iK`` to ``iK + K - 1`` are one, in the order of its members.

        Raises:
            ValueError: If ``tokens_per_batch`` is below 1.
        """
        from buffers.batches import Batches

        _check_budget(tokens_per_batch)
        return Batches(partial(self._reader.groups, [each for each in members if len(each)], tokens_per_batch, seed))


def _check_budget(tokens_per_batch: int) -> None:
    if tokens_per_batch < 1:
        raise ValueError(f"tokens_per_batch is {tokens_per_batch}; give at least 1, better some thousands")
