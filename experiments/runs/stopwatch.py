"""Stopwatch of a run's kinds of work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by kind of work; what is done within other work counts for the inner kind alone.

    Attributes:
        seconds: Wall clock by kind, of finished work.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def __call__(self, kind: str) -> Iterator[None]:
        """Time the work of a ``with`` block."""
        started, before, self._inner = time.perf_counter(), self._inner, 0.0
        try:
            yield
        finally:
            whole = time.perf_counter() - started
            self.seconds[kind] = self.seconds.get(kind, 0.0) + whole - self._inner
            self._inner = before + whole
