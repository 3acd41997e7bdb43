"""Sources of a split as the environment shows them: encoded once, when they are first needed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tasks.task import Task, unknown_split

LongSource = Literal["refuse", "truncate"]
"""What to do with a source of more tokens than the task takes."""

FREE_TEXT = -1
"""``info["source_index"]`` of a source that was given as text."""


class Source(NamedTuple):
    """One source; S is the task's longest."""

    row: int
    """Row of the split, or :data:`FREE_TEXT`."""
    text: str
    tokens: NDArray[np.int32]
    """[S], padded."""
    length: int
    """How many of them are not padding."""
    truncated: bool
    """Whether the text has more tokens than S."""


class SourceRows(NamedTuple):
    """n sources; S is the task's longest."""

    source_index: NDArray[np.int64]
    """[n], rows of the split, or :data:`FREE_TEXT`."""
    texts: NDArray[np.object_]
    """[n] str."""
    tokens: NDArray[np.int32]
    """[n,S], padded."""
    lengths: NDArray[np.int32]
    """[n], how many tokens are not padding."""
    truncated: NDArray[np.bool_]
    """[n], whether a text has more tokens than S."""


class Sources:
    """A split's sources by row, with a table of those already encoded.

    Args:
        task: Gives the sources.
        split: "train", "validation" or "test", or "source-only" where the task has sentences without references.
        long_source: "refuse" a source beyond the task's limit, or "truncate" it there, end-of-sequence last.

    Raises:
        ValueError: If the split or ``long_source`` is unknown, or the split is empty.
    """

    def __init__(self, task: Task, split: str, long_source: LongSource = "refuse") -> None:
        if split not in task.splits:
            raise unknown_split(split, task.splits)
        if long_source not in get_args(LongSource):
            raise ValueError(f"there is no long_source {long_source!r}; choose 'refuse' or 'truncate'")
        self.task, self.split, self.long_source = task, split, long_source
        self._table: _Table | None = None

    def __reduce__(self) -> tuple[Callable[..., Sources], tuple[Task, str, LongSource]]:
        return Sources, (self.task, self.split, self.long_source)

    def __len__(self) -> int:
        return len(self.table.lengths)

    @property
    def table(self) -> _Table:
        """The whole split, made when it is first needed; a row counts only after :meth:`encode`."""
        if self._table is None:
            size = self.task.size(self.split)
            if size == 0:
                raise ValueError(f"split {self.split!r} of task {self.task.name!r} is empty; choose another split")
            self._table = _Table(size, self.task.max_source_length)
        return self._table

    def row(self, index: int) -> Source:
        """The source of a row."""
        table = self.table
        if not table.lengths[index]:
            self.encode(np.array([index]))
        return Source(
            index, table.texts[index], table.tokens[index], int(table.lengths[index]), bool(table.truncated[index])
        )

    def rows(self, indices: NDArray[np.int64]) -> SourceRows:
        """The sources of rows ``indices`` (int64 [n]).

        Raises:
            ValueError: If a source is too long.
        """
        self.encode(indices)
        table = self.table
        return SourceRows(
            indices, table.texts[indices], table.tokens[indices], table.lengths[indices], table.truncated[indices]
        )

    def free_texts(self, texts: Sequence[Any]) -> SourceRows:
        """Any n sentences as sources.

        Raises:
            TypeError: If one is no str.
            ValueError: If one is empty or too long.
        """
        sources = [self.free_text(checked_text(text)) for text in texts]
        rows, given, tokens, lengths, truncated = zip(*sources, strict=True)
        return SourceRows(
            np.array(rows), np.array(given, dtype=object), np.array(tokens), np.array(lengths), np.array(truncated)
        )

    def encode(self, indices: NDArray[np.int64]) -> None:
        """Encode the table's rows ``indices`` (int64 [n]).

        Raises:
            ValueError: If a source is too long.
        """
        table = self.table
        for index in np.unique(indices[table.lengths[indices] == 0]).tolist():
            source = self.free_text(self.task.pair(self.split, index)[0])
            table.texts[index] = source.text
            table.tokens[index], table.truncated[index] = source.tokens, source.truncated
            table.lengths[index] = source.length

    def free_text(self, text: str) -> Source:
        """Any sentence as a source.

        Raises:
            ValueError: If it is too long.
        """
        tokenizer, limit = self.task.tokenizer, self.task.max_source_length
        ids = tokenizer.encode([text])[0]
        first, last = len(tokenizer.source_prefix), len(tokenizer.source_suffix)
        special = {tokenizer.eos_id, tokenizer.pad_id}.intersection(ids[first:-last])
        if special:
            raise ValueError(
                f"the source {text!r} holds special token {special.pop()} in its middle; take out what spells it"
            )
        truncated = len(ids) > limit
        if truncated and self.long_source == "refuse":
            raise ValueError(
                f"the source has {len(ids)} tokens but task {self.task.name!r} takes at most {limit}; "
                f"shorten it, or give long_source='truncate': {text!r}"
            )
        if truncated:
            ids = [*ids[: limit - last], *tokenizer.source_suffix]
        tokens = np.full(limit, tokenizer.pad_id, dtype=np.int32)
        tokens[: len(ids)] = ids
        return Source(FREE_TEXT, text, tokens, len(ids), truncated)

    def chosen(self, options: Mapping[str, Any]) -> Source | None:
        """The source that ``reset``'s options name, or None where they leave it to chance.

        Raises:
            ValueError: If both options name a source, or the sentence is empty or too long.
            TypeError: If an option has the wrong type.
            IndexError: If ``source_index`` is not a row of the split.
        """
        self.check_one(options)
        if "source" in options:
            return self.free_text(checked_text(options["source"]))
        if "source_index" in options:
            return self.row(self.checked_index(options["source_index"]))
        return None

    def check_one(self, options: Mapping[str, Any]) -> None:
        """Refuse two names of one source.

        Raises:
            ValueError: If both options are given.
        """
        if "source" in options and "source_index" in options:
            raise ValueError("options 'source_index' and 'source' both name a source; give one of them")

    def checked_index(self, given: Any) -> int:
        """A row's number.

        Raises:
            TypeError: If it is no integer.
            IndexError: If it is not a row of the split.
        """
        try:
            index = operator.index(given)
        except TypeError:
            raise TypeError(f"option 'source_index' is {given!r}; give an int") from None
        if not 0 <= index < len(self):
            raise IndexError(f"source_index {index} is not in 0..{len(self) - 1}, split {self.split!r}")
        return index


class _Table:
    """Rows of a split. Memory is touched where rows are filled, so a split of millions costs what is used of it."""

    def __init__(self, size: int, longest: int) -> None:
        self.texts = np.empty(size, dtype=object)
        self.tokens = np.zeros((size, longest), dtype=np.int32)
        self.lengths = np.zeros(size, dtype=np.int32)
        self.truncated = np.zeros(size, dtype=np.bool_)


def checked_text(given: Any) -> str:
    """A sentence to translate.

    Raises:
        TypeError: If it is no str.
        ValueError: If it is empty.
    """
    if not isinstance(given, str):
        raise TypeError(f"option 'source' is {given!r}; give the sentence as a str")
    if not given.strip():
        raise ValueError(f"option 'source' is {given!r}; give a sentence to translate")
    return given
