"""Answer: what one rater said of one translation, as files hold it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Answer(NamedTuple):
    """A score that nobody has checked.

    Attributes:
        rater: Name.
        item: Name.
        candidate: Letter of its place in the item, "a" the first, or its code.
        score: What stands in the file.
        errors: Severity of each marked error.
    """

    rater: str
    item: str
    candidate: str
    score: Any
    errors: tuple[str, ...]


LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Of places in an item."""
