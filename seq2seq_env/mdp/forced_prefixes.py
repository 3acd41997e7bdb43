"""Forced prefixes: the beginnings that many episodes side by side must have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class ForcedPrefixes:
    """A beginning for each of N episodes, none at first.

    Args:
        size: N.
    """

    def __init__(self, size: int) -> None:
        self._tokens: list[tuple[int, ...]] = [()] * size
        self._lengths = np.zeros(size, dtype=np.int64)
        self._any = False

    def set(self, rows: NDArray[np.int64], prefixes: Sequence[tuple[int, ...]]) -> None:
        """Give episodes ``rows`` (int64 [n]) these beginnings (n)."""
        if not self._any and not any(prefixes):
            return
        for row, prefix in zip(rows.tolist(), prefixes, strict=True):
            self._tokens[row] = prefix
            self._lengths[row] = len(prefix)
        self._any = bool(self._lengths.any())

    def next_tokens(self, rows: NDArray[np.int64], written: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Places among ``rows`` (int64 [n]) whose next token is forced, and the token.

        Args:
            rows: Episodes.
            written: int64 [N], tokens that each of all episodes has.
        """
        if not self._any:
            return []
        done = written[rows]
        places = np.flatnonzero(done < self._lengths[rows]).tolist()
        return [(place, self._tokens[rows[place]][done[place]]) for place in places]
