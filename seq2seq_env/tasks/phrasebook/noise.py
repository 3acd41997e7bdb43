"""Faults that crawled corpora have, put into training references at a settable rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random

from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.quantities import number_words
from seq2seq_env.tasks.phrasebook.sentence import Sentence, surface

_DIGITS = re.compile(r"\d+")
_NUMERALS = {number_words(number, "en"): number for number in range(2, 100)}
_NUMERAL = re.compile(r"\b(" + "|".join(sorted(_NUMERALS, key=len, reverse=True)) + r")\b")
_NEGATED = re.compile(r"\b(do|does|did|is|are|am|was|were|will|would|can|should|must) not\b")
_AUXILIARY = re.compile(r"\b(is|are|am|was|were|will|would|can|should|must|could)\b")


def corrupted(random: Random, sentence: Sentence, other: Sentence) -> str:
    """A faulty reference of ``sentence``; the kinds of fault are equally likely where the sentence allows them.

    Args:
        random: Draws the kind and the place.
        sentence: Whose reference it is.
        other: A sentence whose reference stands here by mistake, where that is the fault.
    """
    kinds = list(_FAULTS)
    random.shuffle(kinds)
    for kind in kinds:
        text = kind(random, sentence, other)
        if text and text != sentence.reference:
            return text
    return other.reference


def _misaligned(random: Random, sentence: Sentence, other: Sentence) -> str:
    return other.reference


def _dropped(random: Random, sentence: Sentence, other: Sentence) -> str:
    segments = list(sentence.wording)
    if len(segments) < 3:
        return ""
    length = random.randint(1, len(segments) // 2)
    start = random.randrange(len(segments) - length + 1)
    del segments[start : start + length]
    return surface(tuple(segments), sentence.mark, contracted=sentence.contracted)


def _repeated(random: Random, sentence: Sentence, other: Sentence) -> str:
    segments = list(sentence.wording)
    place = random.randrange(len(segments))
    segments.insert(place, segments[place])
    return surface(tuple(segments), sentence.mark, contracted=sentence.contracted)


def _untranslated(random: Random, sentence: Sentence, other: Sentence) -> str:
    segments = list(sentence.wording)
    words = sentence.german.rstrip(".?").split()
    length = random.randint(1, min(4, len(words)))
    start = random.randrange(len(words) - length + 1)
    segments[random.randrange(len(segments))] = " ".join(words[start : start + length])
    return surface(tuple(segments), sentence.mark, contracted=False)


def _wrong_number(random: Random, sentence: Sentence, other: Sentence) -> str:
    text = sentence.reference
    places = [*_DIGITS.finditer(text), *_NUMERAL.finditer(text)]
    if not places:
        return ""
    place = random.choice(places)
    if place.group().isdecimal():
        new = str(random.randint(1, 10 ** len(place.group()) - 1))
    else:
        new = number_words(random.randint(2, 99 if _NUMERALS[place.group()] > 12 else 12), "en")
    return text[: place.start()] + new + text[place.end() :]


@cache
def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(word)}\b")


def _wrong_word(random: Random, sentence: Sentence, other: Sentence) -> str:
    text = sentence.reference
    # Most are not there at all, which a plain search tells sooner.
    nouns = [noun for noun in lexicon().nouns if noun.english in text and _whole(noun.english).search(text)]
    if not nouns:
        return ""
    noun = random.choice(nouns)
    instead = lexicon().nouns_of(noun.classes).draw(random)
    return _whole(noun.english).sub(instead.english, text, count=1)


def _flipped_negation(random: Random, sentence: Sentence, other: Sentence) -> str:
    text = " ".join(sentence.wording).replace(" ,", ",")
    flipped = _NEGATED.sub(r"\1", text, count=1) if _NEGATED.search(text) else _AUXILIARY.sub(r"\1 not", text, count=1)
    return "" if flipped == text else surface((flipped,), sentence.mark, contracted=sentence.contracted)


_FAULTS: tuple[Callable[[Random, Sentence, Sentence], str], ...] = (
    _misaligned,
    _dropped,
    _repeated,
    _untranslated,
    _wrong_number,
    _wrong_word,
    _flipped_negation,
)
