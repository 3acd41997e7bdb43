"""Task interface: sources, references, their splits and their tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tokenization.tokenizer import Tokenizer

Oracle = Callable[[Sequence[str], Sequence[str]], NDArray[np.float32]]
"""``(sources, hypotheses) -> [N]`` true quality in [0, 1]."""

SPLITS = ("train", "validation", "test")
"""Every task has these."""

SOURCE_ONLY = "source-only"
"""The split of sentences without references, which some tasks have: Grow may draw them, supervised steps never do."""


@dataclass(frozen=True)
class Split:
    """Aligned sentences: ``references[i]`` translates ``sources[i]``; of the source-only split, sources alone."""

    name: str
    sources: list[str]
    references: list[str]

    def __post_init__(self) -> None:
        if self.name == SOURCE_ONLY:
            if self.references:
                raise ValueError(f"split {SOURCE_ONLY!r} has {len(self.references)} references; give it none")
        elif len(self.sources) != len(self.references):
            raise ValueError(
                f"split {self.name!r} has {len(self.sources)} sources but {len(self.references)} references; "
                "align them line by line"
            )

    def __len__(self) -> int:
        return len(self.sources)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self)} {'sources' if self.name == SOURCE_ONLY else 'pairs'})"


class Task(ABC):
    """Sentences to translate, in three disjoint splits and perhaps a fourth without references, with their tokenizer.

    Attributes:
        name: The name :func:`seq2seq_env.tasks.load_task` knows it by.
        fingerprint: Hexadecimal digest of everything that determines the texts; stored in every shard.
        tokenizer: Of source and target.
        max_source_length: Tokens of the longest source, end-of-sequence included.
        max_target_length: Tokens after which an episode is truncated, end-of-sequence included.
        default_scorer: A name for :func:`seq2seq_env.scorers.load_scorer`, or None where the task has none.
    """

    name: str
    fingerprint: str
    tokenizer: Tokenizer
    max_source_length: int
    max_target_length: int
    default_scorer: str | None

    @abstractmethod
    def split(self, name: str) -> Split:
        """The split called ``name``: "train", "validation" or "test", or "source-only" where the task has one.

        Raises:
            ValueError: If there is no split of that name.
        """

    @property
    def oracle(self) -> Oracle | None:
        """The judge of true quality, or None where nobody knows it."""
        return None

    def wordings(self, source: str) -> list[str]:
        """Right translations of a source, all that the task knows; none by default."""
        return []

    @property
    def notes(self) -> list[str]:
        """What a person should know of the texts before a run, a line each; nothing by default."""
        return []

    @property
    def has_source_only(self) -> bool:
        """Whether there are sentences without references; not by default."""
        return False

    @property
    def splits(self) -> tuple[str, ...]:
        """Names that :meth:`split` takes."""
        return (*SPLITS, SOURCE_ONLY) if self.has_source_only else SPLITS

    def size(self, split: str) -> int:
        """Number of rows in a split.

        Raises:
            ValueError: If there is no split of that name; a task without source-only sentences has no such split, not
                an empty one.
        """
        return len(self.split(split))

    def pair(self, split: str, index: int) -> tuple[str, str | None]:
        """Source and reference of one row, None where it has none.

        A task that can avoid making the whole split overrides this.
        """
        pairs = self.split(split)
        return pairs.sources[index], pairs.references[index] if pairs.references else None


def unknown_split(name: str, good: Iterable[str]) -> ValueError:
    """The error of :meth:`Task.split` for a name it does not know."""
    return ValueError(f"there is no split {name!r}; choose one of {', '.join(good)}")
