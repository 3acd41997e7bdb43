"""The oracle and damage: whatever is done to a right translation costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

import pytest

from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.normal_form import normal_form
from seq2seq_env.tasks.phrasebook.oracle import Readings, quality
from seq2seq_env.tasks.phrasebook.sentence import Sentence
from tests.seq2seq_env.tasks.phrasebook.pool import POOL, drawn, readings_of

Damage = Callable[[Random, Sentence], str]


def _substituted(pattern: str, new: Callable[[Random, str], str]) -> Damage:
    def damage(random: Random, sentence: Sentence) -> str:
        found = list(re.finditer(pattern, sentence.reference))
        if not found:
            return ""
        place = random.choice(found)
        return sentence.reference[: place.start()] + new(random, place.group()) + sentence.reference[place.end() :]

    return damage


def _dropped_clause(random: Random, sentence: Sentence) -> str:
    words = re.split(r",? (?:because|although|whether|if|but|and|that|when|why|where) ", sentence.reference)
    return random.choice(words) if len(words) == 2 else ""


def _added_clause(random: Random, sentence: Sentence) -> str:
    return f"{sentence.reference.rstrip('.?')} {random.choice(('and', 'because'))} {random.choice(POOL).reference}"


def _repeated_phrase(random: Random, sentence: Sentence) -> str:
    words = sentence.reference.split()
    start = random.randrange(len(words))
    end = random.randint(start + 1, len(words))
    return " ".join([*words[:end], *words[start:]])


def _untranslated_word(random: Random, sentence: Sentence) -> str:
    words, german = sentence.reference.split(), re.findall(r"[^\W\d_]{3,}", sentence.german)
    words[random.randrange(len(words))] = random.choice(german)
    return " ".join(words)


_NOUNS = sorted({noun.english for noun in lexicon().nouns if " " not in noun.english})
_TENSES = {
    "is": "was",
    "are": "were",
    "will": "did",
    "was": "is",
    "were": "are",
    "has": "had",
    "did": "does",
    "can": "could",
}
DAMAGES: dict[str, Damage] = {
    "number": _substituted(r"\b\d+\b", lambda random, old: str(int(old) + random.randint(1, 9))),
    "numeral": _substituted(
        r"\b(?:two|three|four|five|six)\b",
        lambda random, old: random.choice(["seven", "eight", "nine", "ten", "eleven"]),
    ),
    "noun": _substituted(rf"\b(?:{'|'.join(_NOUNS)})\b", lambda random, old: random.choice(_NOUNS)),
    "tense": _substituted(rf"\b(?:{'|'.join(_TENSES)})\b", lambda random, old: _TENSES[old]),
    "negation added": _substituted(
        r"\b(?:is|are|was|were|will|can|could|should|must)\b(?! not)", lambda random, old: f"{old} not"
    ),
    "negation dropped": _substituted(r" not\b|n't\b", lambda random, old: ""),
    "clause dropped": _dropped_clause,
    "clause added": _added_clause,
    "phrase repeated": _repeated_phrase,
    "word untranslated": _untranslated_word,
}


@pytest.fixture(scope="module")
def sentences() -> list[tuple[Sentence, Readings]]:
    """What is damaged, and its right wordings, which are prepared once for all kinds of damage."""
    return [(sentence, readings_of(sentence)) for sentence in [*POOL, *drawn(1_000, seed=5)]]


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_always_costs(kind: str, sentences: list[tuple[Sentence, Readings]]) -> None:
    random = Random(kind)
    damaged = 0
    for sentence, right in sentences:
        text = DAMAGES[kind](random, sentence)
        wordings = {reading.tokens for reading in right}
        tokens = normal_form(text)
        if text and (tokens[:-1] if tokens[-1:] == ("?",) else tokens) not in wordings:
            assert quality(right, text) < 1, (sentence.reference, text)
            damaged += 1
    assert damaged >= 100


def test_a_flipped_negation_costs_more_than_half(sentences: list[tuple[Sentence, Readings]]) -> None:
    flips = {kind: DAMAGES[kind] for kind in ("negation added", "negation dropped")}
    flipped = 0
    for sentence, right in sentences:
        for kind, damage in flips.items():
            if text := damage(Random(kind), sentence):
                assert quality(right, text) < 0.5, (sentence.reference, text)
                flipped += 1
    assert flipped >= 500
