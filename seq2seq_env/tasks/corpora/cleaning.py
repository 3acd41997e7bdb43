"""Cleaning of text: which pairs and sentences teach nothing, and how many those are."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Pair = tuple[str, str]
"""Source and reference."""

Reason = str
"""Why a pair, or a sentence without a reference, is left out."""

Item = TypeVar("Item", bound=Hashable)
"""A pair, or a sentence."""


@dataclass(frozen=True)
class Cleaning:
    """What became of a split's pairs, or of its sentences without references.

    Attributes:
        read: Pairs in the files.
        kept: Of them.
        dropped: The others, by the first reason that applied.
        unit: Word for what is counted.
    """

    read: int
    kept: int
    dropped: dict[Reason, int]
    unit: str = "pairs"

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.dropped.items()))
        return f"{self.kept:,} of {self.read:,} {self.unit}" + (f" (left out: {reasons})" if reasons else "")


def clean(
    items: Iterable[Item], reason_against: Callable[[Item], Reason | None], unit: str = "pairs"
) -> tuple[list[Item], Cleaning]:
    """The pairs or sentences that nothing speaks against, in their order, and the count of the others."""
    kept: list[Item] = []
    dropped: Counter[Reason] = Counter()
    for item in items:
        if reason := reason_against(item):
            dropped[reason] += 1
        else:
            kept.append(item)
    return kept, Cleaning(len(kept) + dropped.total(), len(kept), dict(dropped), unit)


def first_reason(*tests: Callable[[Item], Reason | None]) -> Callable[[Item], Reason | None]:
    """One test of several: the first that speaks against an item gives the reason."""
    return lambda item: next((reason for test in tests if (reason := test(item))), None)


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC): letters with their accents, where there are such."""
    return unicodedata.normalize("NFC", text)


def empty(pair: Pair) -> Reason | None:
    """Nothing but space, or what is not seen, on one side."""
    return None if all(text.strip() and (text.isascii() or bare(text)) for text in pair) else "with an empty side"


def usual_ratio(pairs: Iterable[Pair]) -> float:
    """Characters of a target to one of its source, the median of the pairs; 1 where there are none.

    A script of syllables or words, such as Chinese, writes with few characters what an alphabet writes with many.
    """
    ratios = [len(target.strip()) / len(source.strip()) for source, target in pairs if not empty((source, target))]
    return median(ratios) if ratios else 1.0


def uneven(most: float, usual: float = 1.0) -> Callable[[Pair], Reason | None]:
    """One side is more than ``most`` times as long as the other, in characters of the target.

    Args:
        most: Of the longer side to the shorter one.
        usual: Characters of the target that one of the source stands for.
    """

    def test(pair: Pair) -> Reason | None:
        source, target = (len(text.strip()) for text in pair)
        short, long = sorted((source * usual, float(target)))
        return f"with sides of very different length (over {most:g} to 1)" if long > most * short else None

    return test


def repeated() -> Callable[[Hashable], Reason | None]:
    """The pair, or the sentence, has come before."""
    seen: set[Hashable] = set()

    def test(item: Hashable) -> Reason | None:
        if item in seen:
            return "that came before"
        seen.add(item)
        return None

    return test


def shared_sources(pairs: Iterable[Pair], others: Iterable[Pair]) -> Iterator[Pair]:
    """Pairs whose source is one of the others' too, as far as :func:`bare` tells."""
    known = {bare(source) for source, _ in others}
    return (pair for pair in pairs if bare(pair[0]) in known)


def bare(text: str) -> str:
    """What is left of a text without case, the kind of its spaces, the encoding of its accents, and what is not seen.

    Soft hyphens, spaces of no width and marks of direction are in many texts from the web.
    """
    if not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(text.casefold().split())
