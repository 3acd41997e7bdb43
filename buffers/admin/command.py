"""What the commands of ``python -m buffers`` have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import tyro

MOST_SHOWN = 20
"""Of numbers, or of their ranges, that a line of text shows."""


@dataclass(frozen=True, kw_only=True)
class Command(ABC):
    """Something that ``python -m buffers`` does."""

    json: bool = False
    """Print JSON instead of text."""

    @abstractmethod
    def run(self) -> int:
        """Do it and print what came of it; the exit code."""


@dataclass(frozen=True, kw_only=True)
class BufferCommand(Command):
    """Something done with a buffer."""

    path: tyro.conf.Positional[str]
    """Folder of the buffer; info, verify, rescore and export take the URL of an object store, too."""


def as_ranges(numbers: Sequence[int]) -> str:
    """Rising numbers in words; of more than a few their ranges, of which again the first, and their count."""
    if len(numbers) <= MOST_SHOWN:
        return ", ".join(map(str, numbers))
    # Within a range, a number and its place rise together.
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda each: each[1] - each[0])]
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:MOST_SHOWN]]
    return f"{', '.join(shown)}{', ...' * (len(runs) > MOST_SHOWN)} ({len(numbers):,} in all)"
