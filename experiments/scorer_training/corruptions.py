"""Ways in which a translation can be wrong, made from a right one: the scorer's unit tests and part of its ratings.

Each function takes the random stream, the source, a right translation and another sentence's translation, and gives
the corrupted text, or None where the sentence does not allow the corruption. Negation, pronouns, tenses, dangling words
and numerals in words are English: of a target in another language they give None, and dangling words stay English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from seq2seq_env.tasks.phrasebook.quantities import number_words
from seq2seq_env.writing import is_spaced, words

Corruption = Callable[[Random, str, str, str], str | None]

_BE_OR_MODAL = "is|are|am|was|were|will|would|can|could|should|must"
_AUXILIARY = re.compile(rf"\b({_BE_OR_MODAL})\b")
_NEGATED = re.compile(rf"\b({_BE_OR_MODAL}|do|does|did|has|have|had)(?: not|n't)\b")
_NUMERALS = [number_words(number, "en") for number in (*range(1, 13), 15, *range(20, 100, 10))]
_NUMBER = re.compile(r"\d+|\b(?:" + "|".join(_NUMERALS) + r")\b")
_PRONOUNS = (("i", "you", "he", "she", "we", "they"), ("me", "him", "us", "them"), ("my", "your", "our", "their"))
_PAIRS = (
    ("is", "was"),
    ("are", "were"),
    ("am", "was"),
    ("do", "did"),
    ("does", "did"),
    ("has", "had"),
    ("have", "had"),
)
_TENSES = {past: present for present, past in reversed(_PAIRS)} | dict(_PAIRS)


_MARKS = (".", "?", "!", "。", "？", "！")  # noqa: RUF001  # those of Chinese and Japanese


class _Words(NamedTuple):
    """A text in words, or in characters where it has no spaces between words."""

    words: list[str]
    mark: str
    """At its end, or nothing."""
    space: str
    """Between its words."""

    def text(self, words: Sequence[str], mark: str | None = None) -> str:
        """Of other words, with the same mark or another."""
        return self.space.join(words) + (self.mark if mark is None else mark)


def _split_mark(text: str) -> _Words:
    mark = text[-1] if text.endswith(_MARKS) else ""
    spaced = is_spaced([text])
    return _Words(words(text.removesuffix(mark), spaced=spaced), mark, " " if spaced else "")


def repeated(random: Random, source: str, right: str, other: str) -> str | None:
    """A phrase of one to five words stands twice."""
    own = _split_mark(right)
    if not own.words:
        return None
    length = random.randint(1, min(5, len(own.words)))
    start = random.randrange(len(own.words) - length + 1)
    return own.text(own.words[: start + length] + own.words[start:])


def permuted(random: Random, source: str, right: str, other: str) -> str | None:
    """The words in another order."""
    own = _split_mark(right)
    if len(set(own.words)) < 3:
        return None
    shuffled = list(own.words)
    while shuffled == own.words:
        random.shuffle(shuffled)
    return own.text(shuffled)


def truncated(random: Random, source: str, right: str, other: str) -> str | None:
    """The end is missing, from one word to half of the sentence."""
    own = _split_mark(right)
    if len(own.words) < 3:
        return None
    kept = random.randint((len(own.words) + 1) // 2, len(own.words) - 1)
    return own.text(own.words[:kept], random.choice((own.mark, "")))


def copied_source(random: Random, source: str, right: str, other: str) -> str | None:
    """The source, untranslated."""
    return source


def other_translation(random: Random, source: str, right: str, other: str) -> str | None:
    """A right translation of another sentence."""
    return None if other == right else other


def changed_number(random: Random, source: str, right: str, other: str) -> str | None:
    """One number is another."""
    places = list(_NUMBER.finditer(right))
    if not places:
        return None
    place = random.choice(places)
    old = place.group()
    new = old
    while new == old:
        new = str(random.randint(1, 10 ** len(old) - 1)) if old.isdecimal() else random.choice(_NUMERALS[1:])
    return right[: place.start()] + new + right[place.end() :]


def flipped_negation(random: Random, source: str, right: str, other: str) -> str | None:
    """The word "not" is taken out, or put in."""
    if _NEGATED.search(right):
        return _NEGATED.sub(r"\1", right, count=1)
    if _AUXILIARY.search(right):
        return _AUXILIARY.sub(r"\1 not", right, count=1)
    return None


def dropped_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Up to three words in a row are missing."""
    own = _split_mark(right)
    if len(own.words) < 2:
        return None
    length = random.randint(1, min(3, len(own.words) - 1))
    start = random.randrange(len(own.words) - length + 1)
    return own.text(own.words[:start] + own.words[start + length :])


def foreign_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Words of another sentence stand in place of some."""
    own = _split_mark(right)
    others = _split_mark(other).words
    if not own.words or not others:
        return None
    place, length = random.randrange(len(own.words)), random.randint(1, min(2, len(others)))
    start = random.randrange(len(others) - length + 1)
    return own.text(own.words[:place] + others[start : start + length] + own.words[place + 1 :])


def untranslated_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Words of the source stand in place of some."""
    return foreign_words(random, source, right, source)


def appended_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Part of another sentence follows."""
    own = _split_mark(right)
    others = _split_mark(other).words
    if not others:
        return None
    return own.text(own.words + others[random.randrange(len(others)) :])


def swapped_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Two words of four letters or more, or two characters, stand in each other's place."""
    own = _split_mark(right)
    least = 4 if own.space else 1
    places = [place for place, word in enumerate(own.words) if len(word) >= least and word.isalpha() and place]
    pairs = [(one, two) for one in places for two in places if one < two and own.words[one] != own.words[two]]
    if not pairs:
        return None
    one, two = random.choice(pairs)
    own.words[one], own.words[two] = own.words[two], own.words[one]
    return own.text(own.words)


def wrong_pronoun(random: Random, source: str, right: str, other: str) -> str | None:
    """Another person's pronoun stands in place of one."""
    own = _split_mark(right)
    places = [(place, forms) for place, word in enumerate(own.words) for forms in _PRONOUNS if word.lower() in forms]
    if not places:
        return None
    place, forms = random.choice(places)
    new = random.choice([form for form in forms if form != own.words[place].lower()])
    own.words[place] = new.capitalize() if place == 0 or new == "i" else new
    return own.text(own.words)


def wrong_tense(random: Random, source: str, right: str, other: str) -> str | None:
    """An auxiliary of the past stands in place of one of the present, or the other way round."""
    own = _split_mark(right)
    places = [place for place, word in enumerate(own.words) if word.lower() in _TENSES]
    if not places:
        return None
    place = random.choice(places)
    new = _TENSES[own.words[place].lower()]
    own.words[place] = new.capitalize() if own.words[place][0].isupper() else new
    return own.text(own.words)


def dangling_words(random: Random, source: str, right: str, other: str) -> str | None:
    """Function words follow that nothing follows; they are English ones."""
    own = _split_mark(right)
    if not own.space:
        return None
    return own.text([*own.words, random.choice(("and", "but", "because", "of the", "to the", "with a"))])


def other_mark(random: Random, source: str, right: str, other: str) -> str | None:
    """A question in place of a statement, or the other way round."""
    own = _split_mark(right)
    marks = ("。", "？") if own.space == "" else (".", "?")  # noqa: RUF001
    return own.text(own.words, marks[0] if own.mark == marks[1] else marks[1])


UNIT_TESTS: dict[str, Corruption] = {
    "repeated phrase": repeated,
    "permuted words": permuted,
    "truncated": truncated,
    "copied source": copied_source,
    "other source's translation": other_translation,
    "changed number": changed_number,
    "flipped negation": flipped_negation,
}
"""The paper's unit tests of a reward model (A.4) and those the phrasebook adds."""

CORRUPTIONS: dict[str, Corruption] = UNIT_TESTS | {
    "dropped words": dropped_words,
    "foreign words": foreign_words,
    "untranslated words": untranslated_words,
    "appended words": appended_words,
}
"""The unit tests and the corruptions that only ratings are made of."""

HELD_OUT_TESTS: dict[str, Corruption] = {
    "swapped words": swapped_words,
    "wrong pronoun": wrong_pronoun,
    "wrong tense": wrong_tense,
    "dangling function words": dangling_words,
    "question for statement": other_mark,
}
"""Unit tests of kinds that no scorer is trained on."""
