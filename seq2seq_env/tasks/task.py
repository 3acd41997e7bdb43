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


@dataclass(frozen=True)
class Split:
    """Aligned sentences: ``references[i]`` translates ``sources[i]``."""

    name: str
    sources: list[str]
    references: list[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.references):
            raise ValueError(
                f"split {self.name!r} has {len(self.sources)} sources but {len(self.references)} references; "
                "align them line by line"
            )

    def __len__(self) -> int:
        return len(self.sources)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self)} pairs)"


class Task(ABC):
    """Sentences to translate, in three disjoint splits, with their tokenizer.

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
        """The split called ``name``: "train", "validation" or "test".

        Raises:
            ValueError: If there is no split of that name.
        """

    @property
    def oracle(self) -> Oracle | None:
        """The judge of true quality, or None where nobody knows it."""
        return None

    @property
    def notes(self) -> list[str]:
        """What a person should know of the texts before a run, a line each; nothing by default."""
        return []

    def size(self, split: str) -> int:
        """Number of pairs in a split."""
        return len(self.split(split))

    def pair(self, split: str, index: int) -> tuple[str, str]:
        """Source and reference of one row; a task that can avoid making the whole split overrides this."""
        pairs = self.split(split)
        return pairs.sources[index], pairs.references[index]


def unknown_split(name: str, good: Iterable[str]) -> ValueError:
    """The error of :meth:`Task.split` for a name it does not know."""
    return ValueError(f"there is no split {name!r}; choose one of {', '.join(good)}")
