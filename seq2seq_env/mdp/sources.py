"""Sources of a split as the environment shows them: encoded once, when they are first needed."""

from __future__ import annotations

import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tasks.task import Task, unknown_split
from seq2seq_env.tokenization.tokenizer import Tokenizer
from seq2seq_env.writing import shortened

LongSource = Literal["refuse", "truncate"]
"""What to do with a source of more tokens than the task takes."""

FREE_TEXT = -1
"""``info["source_index"]`` of a source that was given as text."""


class SourceRows(NamedTuple):
    """n sources; S is the task's longest."""

    source_index: NDArray[np.int64]
    """[n], rows of the split, or :data:`FREE_TEXT`."""
    texts: NDArray[np.object_]
    """[n] str."""
    shown: NDArray[np.object_]
    """[n] str, what of each text the tokens hold: its beginning where it was truncated, else all of it."""
    tokens: NDArray[np.int32]
    """[n,S], padded."""
    truncated: NDArray[np.bool_]
    """[n], whether a text has more tokens than S."""
    lengths: NDArray[np.int32]
    """[n], how many tokens are not padding."""


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
        self._table: list[NDArray[Any]] | None = None

    def __reduce__(self) -> tuple[Callable[..., Sources], tuple[Task, str, LongSource]]:
        return Sources, (self.task, self.split, self.long_source)

    def __len__(self) -> int:
        return len(self._columns[-1])

    @property
    def _columns(self) -> list[NDArray[Any]]:
        """Those of :class:`SourceRows` but the first for the whole split; a row counts where its length is above 0.

        Memory is touched where rows are filled, so a split of millions costs what is used of it.
        """
        if self._table is None:
            size = self.task.size(self.split)
            if size == 0:
                raise ValueError(f"split {self.split!r} of task {self.task.name!r} is empty; choose another split")
            texts, shown = np.empty(size, dtype=object), np.empty(size, dtype=object)
            tokens = np.zeros((size, self.task.max_source_length), dtype=np.int32)
            truncated, lengths = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.int32)
            self._table = [texts, shown, tokens, truncated, lengths]
        return self._table

    def rows(self, indices: NDArray[np.int64]) -> SourceRows:
        """The sources of rows ``indices`` (int64 [n]).

        Raises:
            ValueError: If a source is too long.
        """
        columns = self._columns
        for index in sorted({*indices[columns[-1][indices] == 0].tolist()}):
            for column, values in zip(columns, self.free_text(self.task.pair(self.split, index)[0])[1:], strict=True):
                column[index] = values[0]
        return SourceRows(indices, *(column[indices] for column in columns))

    def free_text(self, text: str) -> SourceRows:
        """Any sentence as one source.

        Raises:
            ValueError: If it is too long.
        """
        tokenizer, limit = self.task.tokenizer, self.task.max_source_length
        ids = tokenizer.encode([text])[0]
        first, last = len(tokenizer.source_prefix), len(tokenizer.source_suffix)
        special = {tokenizer.eos_id, tokenizer.pad_id}.intersection(ids[first : len(ids) - last])
        if special:
            raise ValueError(
                f"the source {shortened(text)} holds special token {special.pop()} in its middle; take out what "
                "spells it"
            )
        truncated = len(ids) > limit
        if truncated and self.long_source == "refuse":
            raise ValueError(
                f"the source has {len(ids)} tokens but task {self.task.name!r} takes at most {limit}; "
                f"shorten it, or give long_source='truncate': {shortened(text)}"
            )
        shown = text
        if truncated:
            ids, shown = [*ids[: limit - last], *tokenizer.source_suffix], _beginning(tokenizer, text, limit)
        tokens = np.full((1, limit), tokenizer.pad_id, dtype=np.int32)
        tokens[0, : len(ids)] = ids
        row, length = np.array([FREE_TEXT]), np.array([len(ids)], dtype=np.int32)
        texts, beginnings = np.array([text], dtype=object), np.array([shown], dtype=object)
        return SourceRows(row, texts, beginnings, tokens, np.array([truncated]), length)

    def chosen(self, options: Mapping[str, Any]) -> SourceRows | None:
        """The one source that ``reset``'s options name, or None where they leave it to chance.

        Raises:
            ValueError: If both options name a source, or the sentence is empty or too long.
            TypeError: If an option has the wrong type.
            IndexError: If ``source_index`` is not a row of the split.
        """
        if "source" in options and "source_index" in options:
            raise ValueError("options 'source_index' and 'source' both name a source; give one of them")
        if "source" in options:
            text = options["source"]
            if not isinstance(text, str):
                raise TypeError(f"option 'source' is {text!r}; give the sentence as a str")
            if not text.strip():
                raise ValueError(f"option 'source' is {text!r}; give a sentence to translate")
            return self.free_text(text)
        if "source_index" not in options:
            return None
        try:
            index = operator.index(options["source_index"])
        except TypeError:
            raise TypeError(f"option 'source_index' is {options['source_index']!r}; give an int") from None
        if not 0 <= index < len(self):
            raise IndexError(f"source_index {index} is not in 0..{len(self) - 1}, split {self.split!r}")
        return self.rows(np.array([index]))


def _beginning(tokenizer: Tokenizer, text: str, limit: int) -> str:
    """As much of a text as has ``limit`` tokens at most; not decoded from tokens, which lose what is unknown."""

    def fitting(ends: Sequence[int]) -> int:
        return bisect_right(ends, limit, key=lambda end: len(tokenizer.encode([text[:end]])[0]))

    # Words first: a part of one may have more tokens than the whole.
    words = [0, *(word.end() for word in re.finditer(r"\S+", text))]
    last = fitting(words) - 1
    end, following = words[last], words[min(last + 1, len(words) - 1)]
    return text[: end + fitting(range(end + 1, following))].rstrip()
