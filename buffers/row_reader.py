"""Rows of a storage in memory, whole or batch by batch in an order that a seed determines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from buffers.storage.columns import Columns
from buffers.storage.trajectories import Trajectories
from buffers.storage.turns import turns

if TYPE_CHECKING:
    from buffers.batches import TokenBatch


@dataclass
class RowReader:
    """Reads the trajectories of a slice.

    Batches are dealt out to the workers of a loader: the one numbered ``worker`` of ``workers`` gets every
    ``workers``-th.

    Attributes:
        columns: The storage.
        index: int64 [n], the slice's rows of it, rising.
        pad_id: The tokenizer's padding token.
        vocab_size: Token ids must lie below it; None takes any.
    """

    columns: Columns
    index: NDArray[np.int64]
    pad_id: int
    vocab_size: int | None
    _loaded: Trajectories | None = field(default=None, init=False)

    def load(self, rows: NDArray[np.int64]) -> Trajectories:
        """Rows of ``columns``, rising, in memory; kept for the next epoch where they are the whole slice.

        Raises:
            ValueError: If a token is none of the vocabulary.
        """
        if self._loaded is not None and len(rows) == len(self.index):
            return self._loaded
        parts, starts = self.columns.parts, self.columns.starts
        bounds = np.searchsorted(rows, starts)
        loaded = [
            part.read().take(rows[low:high] - start)
            for part, start, low, high in zip(parts, starts, bounds, bounds[1:], strict=False)
            if low < high
        ]
        trajectories = Trajectories.concatenate(loaded or [parts[0].read().take(rows)])
        if self.vocab_size is not None:
            trajectories.check_tokens(self.vocab_size)
        if len(rows) == len(self.index):
            self._loaded = trajectories
        return trajectories

    def batches(self, tokens_per_batch: int, seed: int | None, worker: int, workers: int) -> Iterator[TokenBatch]:
        """One epoch, as :meth:`Slice.batches` describes it; a seed of None keeps the order."""
        from buffers.batches import collate, plan_batches

        rng = None if seed is None else np.random.default_rng(seed)
        planned = 0
        for rows in turns(self.columns, self.index, rng):
            trajectories, temperature = self.load(rows), self.columns.temperature(rows)
            plan = plan_batches(trajectories.source_lengths, trajectories.target_lengths, tokens_per_batch, rng)
            # Counted over all pools, so that every number of workers deals out the same batches in the same order.
            for batch in plan[(worker - planned) % workers :: workers]:
                yield collate(trajectories, batch, self.pad_id, rows, temperature)
            planned += len(plan)

    def plan(self, tokens_per_batch: int, seed: int) -> Iterator[NDArray[np.int64]]:
        """Rows of each batch of :meth:`batches`, in its order; lengths are read, no tokens."""
        from buffers.batches import plan_batches

        rng = np.random.default_rng(seed)
        for rows in turns(self.columns, self.index, rng):
            source, target = self.columns.at("source_length", rows), self.columns.at("target_length", rows)
            yield from (rows[batch] for batch in plan_batches(source, target, tokens_per_batch, rng))

    def groups(
        self, members: list[NDArray[np.int64]], tokens_per_batch: int, seed: int, worker: int, workers: int
    ) -> Iterator[TokenBatch]:
        """One epoch of groups, none of them empty, as :meth:`Slice.groups` describes it."""
        from buffers.batches import collate, plan_batches

        if not members:
            return
        rng, plan = np.random.default_rng(seed), []
        used = np.unique(np.concatenate([self.index[each.ravel()] for each in members]))
        trajectories, temperature = self.load(used), self.columns.temperature(used)
        for each in members:
            places = np.searchsorted(used, self.index[each])  # [P,K]
            source, target = trajectories.source_lengths[places].max(1), trajectories.target_lengths[places].max(1)
            budget = max(1, tokens_per_batch // each.shape[1])
            plan += [places[groups] for groups in plan_batches(source, target, budget, rng)]
        order = np.arange(len(plan)) if len(members) == 1 else rng.permutation(len(plan))
        for number in order[worker::workers]:
            rows, size = plan[number].ravel(), plan[number].shape[1]
            yield collate(trajectories, rows, self.pad_id, used, temperature, size)
