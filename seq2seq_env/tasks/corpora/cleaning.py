"""Cleaning of aligned text: which pairs teach nothing, and how many those are."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Pair = tuple[str, str]
"""Source and reference."""

Reason = str
"""Why a pair is left out."""


@dataclass(frozen=True)
class Cleaning:
    """What became of a split's pairs.

    Attributes:
        read: Pairs in the files.
        kept: Of them.
        dropped: The others, by the first reason that applied.
    """

    read: int
    kept: int
    dropped: dict[Reason, int]

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.dropped.items()))
        return f"{self.kept:,} of {self.read:,} pairs" + (f" (left out: {reasons})" if reasons else "")


def clean(pairs: Iterable[Pair], reason_against: Callable[[Pair], Reason | None]) -> tuple[list[Pair], Cleaning]:
    """The pairs that nothing speaks against, in their order, and the count of the others."""
    kept: list[Pair] = []
    dropped: Counter[Reason] = Counter()
    for pair in pairs:
        if reason := reason_against(pair):
            dropped[reason] += 1
        else:
            kept.append(pair)
    return kept, Cleaning(len(kept) + dropped.total(), len(kept), dict(dropped))


def first_reason(*tests: Callable[[Pair], Reason | None]) -> Callable[[Pair], Reason | None]:
    """One test of several: the first that speaks against a pair gives the reason."""
    return lambda pair: next((reason for test in tests if (reason := test(pair))), None)


def empty(pair: Pair) -> Reason | None:
    """Nothing but space on one side."""
    return None if pair[0].strip() and pair[1].strip() else "with an empty side"


def uneven(most: float) -> Callable[[Pair], Reason | None]:
    """One side has more than ``most`` times the characters of the other."""

    def test(pair: Pair) -> Reason | None:
        short, long = sorted(len(text.strip()) for text in pair)
        return f"with sides of very different length (over {most:g} to 1)" if long > most * short else None

    return test


def repeated() -> Callable[[Pair], Reason | None]:
    """The pair has come before."""
    seen: set[Pair] = set()

    def test(pair: Pair) -> Reason | None:
        if pair in seen:
            return "that came before"
        seen.add(pair)
        return None

    return test


def shared_sources(pairs: Iterable[Pair], others: Iterable[Pair]) -> Iterator[Pair]:
    """Pairs whose source is one of the others' too, but for case, space and the way that accents are encoded."""
    known = {bare(source) for source, _ in others}
    return (pair for pair in pairs if bare(pair[0]) in known)


def bare(text: str) -> str:
    """What is left of a text without case, the kind of its spaces and the way that accents are encoded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
