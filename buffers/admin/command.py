"""What the commands of ``python -m buffers`` have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import tyro


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
