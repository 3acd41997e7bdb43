"""Suggestions: the name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that refuses ``name``: the nearest of the good names, or nothing where none is near."""
    near = get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check_name(kind: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is none of the good ones.

    Args:
        kind: What it names, such as "agent".
        name: As it was given.
        names: The good ones, in the order they are listed in.

    Raises:
        ValueError: If it is none of them, listing them, with the nearest.
    """
    good = list(names)
    if name not in good:
        raise ValueError(f"there is no {kind} {name!r}; choose one of {', '.join(good)}{suggestion(name, good)}")
