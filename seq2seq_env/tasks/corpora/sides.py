"""Sides of a corpus: whether texts are in the language of its sources or of its targets, by the words they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from seq2seq_env.tasks.corpora.cleaning import Pair
from seq2seq_env.writing import is_spaced, letter_words

READ = 20_000
"""Training pairs whose words are learned at most, spread over all of them."""

TESTED = 2_000
"""Texts that are looked at of those in question, likewise."""

FEWEST = 50
"""Words of the texts in question that a judgement needs; there must be as many different ones on either side."""

KNOWN = 0.4
"""Share of words of one side's from which on texts may be in its language."""

FOREIGN = 0.2
"""Share of words that either side has below which texts are in the language of neither; other subjects in the same
language share more."""

T = TypeVar("T")


class Likeness(NamedTuple):
    """Shares of the words of some texts that the training pairs have, in [0, 1].

    Sentences of one language borrow words of another, so that a word is of the side that uses it more often.
    """

    source: float
    """More frequent in the sources."""
    target: float
    """More frequent in the targets."""

    @property
    def is_of_targets(self) -> bool:
        """Whether the texts are rather in the language of the targets."""
        return self.target >= KNOWN and self.target >= 2 * self.source

    @property
    def may_be_of_targets(self) -> bool:
        """Whether hardly a word is the sources' alone: the language of the targets, on subjects that these have not."""
        return self.target >= FOREIGN and self.target >= 4 * self.source

    @property
    def is_of_sources(self) -> bool:
        """Whether the texts are rather in the language of the sources."""
        return self.source >= KNOWN and self.source >= 2 * self.target

    @property
    def is_foreign(self) -> bool:
        """Whether the texts are in the language of neither."""
        return self.source + self.target < FOREIGN

    def __str__(self) -> str:
        return f"{self.source:.0%} of their words are the training sources', {self.target:.0%} the targets'"


class Sides:
    """The words of a corpus's two sides; characters where words do not stand apart. Punctuation and digits are none.

    Args:
        pairs: Of the training split.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        read = _spread(pairs, READ)
        sources, targets = (Counter(_words([pair[side] for pair in read])) for side in (0, 1))
        self._fewest = min(len(sources), len(targets))
        balance = max(1, targets.total()) / max(1, sources.total())
        self._of_sources = {
            word: float(np.sign(sources[word] * balance - targets[word]) / 2 + 0.5) for word in sources | targets
        }

    def likeness(self, texts: Sequence[str]) -> Likeness | None:
        """Which side some texts look like; None where there are too few words to tell."""
        words = list(_words(_spread(texts, TESTED)))
        if min(len(words), self._fewest) < FEWEST:
            return None
        known = [self._of_sources[word] for word in words if word in self._of_sources]
        return Likeness(sum(known) / len(words), (len(known) - sum(known)) / len(words))


def check_unequal(name: str, pairs: Sequence[Pair]) -> None:
    """Refuse a split that has one text twice in place of two sides.

    Raises:
        ValueError: If it is so of most of its pairs.
    """
    equal = sum(source.strip() == reference.strip() for source, reference in pairs)
    if 2 * equal > len(pairs):
        raise ValueError(
            f"of {equal:,} of the {len(pairs):,} pairs of the {name} split, both sides are the same text; give the "
            "targets' text, or take such pairs out"
        )


def check_split(name: str, pairs: Sequence[Pair], sides: Sides) -> list[str]:
    """Refuse a split whose sides are not the training split's.

    Returns:
        Doubts that are no refusal.

    Raises:
        ValueError: If its sources look like the training targets, or its references like the training sources.
    """
    sources, references = (sides.likeness([pair[side] for pair in pairs]) for side in (0, 1))
    of_targets = sources is not None and sources.is_of_targets
    of_sources = references is not None and references.is_of_sources
    if of_targets and of_sources:
        raise ValueError(
            f"the two sides of the {name} split look swapped beside the training pairs: of its sources, {sources}; "
            "swap the sides of one of the two"
        )
    if of_targets:
        raise ValueError(
            f"the sources of the {name} split look like the targets' language: {sources}; give text in the sources' "
            "language"
        )
    if of_sources:
        raise ValueError(
            f"the references of the {name} split look like the sources' language: {references}; give text in the "
            "targets' language"
        )
    return [
        f"the {side} of the {name} split may be in another language than those of the training pairs: {likeness}"
        for side, likeness in (("sources", sources), ("references", references))
        if likeness is not None and likeness.is_foreign
    ]


def check_source_only(texts: Sequence[str], unknown: float, sides: Sides) -> str | None:
    """Refuse sentences without references that are in no language of the sources.

    Args:
        texts: The sentences.
        unknown: Share of their tokens that the tokenizer does not know.
        sides: Of the training pairs.

    Returns:
        A doubt that is no refusal; None where there is none.

    Raises:
        ValueError: If most of their tokens are unknown, or they look like the targets' language.
    """
    if unknown > 0.5:
        raise ValueError(
            f"{unknown:.0%} of the tokens of the source-only sentences are unknown to the tokenizer: they are of "
            "another script than the pairs; give text in the sources' language, or none at all"
        )
    likeness = sides.likeness(texts)
    if likeness is None:
        return None
    if likeness.is_of_targets:
        raise ValueError(
            f"the source-only sentences look like the targets' language: {likeness}; give text in the sources' "
            "language, or swap the sides of the pairs where those are the wrong way round"
        )
    if likeness.may_be_of_targets:
        return f"the source-only sentences may be in the targets' language, on other subjects: {likeness}"
    if likeness.is_foreign:
        return f"the source-only sentences may be in another language than the sources: {likeness}"
    return None


def _spread(items: Sequence[T], most: int) -> Sequence[T]:
    return items[:: max(1, -(-len(items) // most))]


def _words(texts: Sequence[str]) -> Iterator[str]:
    spaced = is_spaced(texts[:200])
    for text in texts:
        for word in letter_words(text.casefold()):
            yield from [word] if spaced else word
