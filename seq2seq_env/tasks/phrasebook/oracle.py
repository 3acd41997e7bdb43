"""The oracle: the true quality of a hypothesis, because every sentence's meaning is known.

A sentence's meaning is carried by chunks: a content word (noun, verb, numeral, "not", ...) with the function words
before it, so "in the red car" is the chunks "in the red" and "car". With ``w`` the weight of words, ``h`` the
hypothesis and ``r`` a right wording of the translation,

    quality(h) = max over r of  (2 m(h, r) - w(h)) / w(r),  at least 0,

where ``m`` is the weight of the heaviest common subsequence of chunks. The share of the meaning carried over is
``m / w(r)``; what is invented, ``w(h) - m``, is taken off. A word in a wrong form of the right lemma counts half. A
function word counts only with its content word, so appending or repeating words never earns anything. It is 1 only
for a right wording itself. Punctuation and case are not judged, except that a question is not a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from seq2seq_env.tasks.phrasebook import english
from seq2seq_env.tasks.phrasebook.clause import Segments
from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.normal_form import Tokens, normal_form

CONTENT, NUMBER, NEGATION, PRONOUN, WRONG_MARK = 1.0, 1.5, 1.5, 0.75, 0.5
_FUNCTION = {
    word: weight
    for weight, words in {
        0.25: "a an the any do does did to of that order",
        0.4: "and but because if when whether although though even since as for at in on by with near from out up off",
        0.5: "am is are was were be been being have has had will would my your his her its our their this these no there",
    }.items()
    for word in words.split()
}
_PRONOUNS = frozenset({"i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them"})
_IRREGULAR_LEMMAS = {
    "am": "be", "is": "be", "are": "be", "was": "be", "were": "be", "been": "be", "being": "be",
    "has": "have", "had": "have", "does": "do", "did": "do", "an": "a", "these": "this", "me": "i", "him": "he",
    "us": "we", "them": "they",
}  # fmt: skip

Chunk = tuple[str, str, float, Tokens, float]
"""Head, its lemma, its weight, the function words before it, the weight of the whole chunk."""


class Reading:
    """A right wording prepared for comparison."""

    __slots__ = ("chunks", "positions", "question", "tokens", "weight")

    def __init__(self, segments: Segments, mark: str) -> None:
        self.tokens = tuple(token for segment in segments if segment != "," for token in normal_form(segment))
        self.question = mark == "?"
        self.chunks = chunked(self.tokens)
        self.weight = sum(chunk[4] for chunk in self.chunks)
        self.positions: dict[str, list[int]] = {}
        for position, chunk in enumerate(self.chunks):
            self.positions.setdefault(chunk[1], []).insert(0, position)


def quality(readings: Iterable[Reading], hypothesis: str) -> float:
    """Quality of a hypothesis in [0, 1] against the right wordings."""
    tokens = normal_form(hypothesis.strip())
    question = tokens[-1:] == ("?",)
    if question:
        tokens = tokens[:-1]
    chunks = chunked(tokens)
    weight = sum(chunk[4] for chunk in chunks)
    best = 0.0
    for reading in readings:
        fault = WRONG_MARK if question != reading.question and (question or hypothesis.rstrip()[-1:] in (".", "!")) else 0.0
        if reading.tokens == tokens:
            return 1.0 - fault / reading.weight
        ceiling = (2 * min(weight, reading.weight) - weight - fault) / reading.weight
        if ceiling > best:
            best = max(best, (2 * _common_weight(chunks, reading) - weight - fault) / reading.weight)
    return best


def _common_weight(chunks: Sequence[Chunk], reading: Reading) -> float:
    """Weight of the heaviest common subsequence of chunks."""
    size = len(reading.chunks)
    best = [0.0] * (size + 1)
    for head, lemma, head_weight, prefix, whole in chunks:
        for position in reading.positions.get(lemma, ()):
            other = reading.chunks[position]
            if other[0] == head and other[3] == prefix:
                gain = whole
            else:
                gain = head_weight * (1.0 if other[0] == head else 0.5) + _common_function_weight(prefix, other[3])
            value = best[position] + gain
            after = position + 1
            while after <= size and best[after] < value:
                best[after] = value
                after += 1
    return best[size]


@lru_cache(maxsize=50_000)
def _common_function_weight(one: Tokens, two: Tokens) -> float:
    best = [0.0] * (len(two) + 1)
    for token in one:
        weight, before = _FUNCTION[token], 0.0
        for index, other in enumerate(two):
            diagonal, before = before, best[index + 1]
            if lemma_of(token) == lemma_of(other):
                best[index + 1] = max(best[index + 1], diagonal + weight * (1.0 if token == other else 0.5))
            best[index + 1] = max(best[index + 1], best[index])
    return best[-1]


@lru_cache(maxsize=100_000)
def chunked(tokens: Tokens) -> tuple[Chunk, ...]:
    """Tokens as chunks; function words that precede no content word are a chunk without a head."""
    chunks: list[Chunk] = []
    prefix: list[str] = []
    weight = 0.0
    for token in tokens:
        if token in _FUNCTION:
            prefix.append(token)
            weight += _FUNCTION[token]
        else:
            own = weight_of(token)
            chunks.append((token, lemma_of(token), own, tuple(prefix), weight + own))
            prefix, weight = [], 0.0
    if prefix:
        chunks.append(("", "", 0.0, tuple(prefix), weight))
    return tuple(chunks)


@lru_cache(maxsize=100_000)
def weight_of(token: str) -> float:
    """Weight of a content word."""
    if token in ("not", "never"):
        return NEGATION
    if token[0] in "@0123456789":
        return NUMBER
    return PRONOUN if token in _PRONOUNS else CONTENT


@lru_cache(maxsize=100_000)
def lemma_of(token: str) -> str:
    """What the forms of a word have in common; the hours of both halves of the day share one."""
    if token.startswith("@") and ":" in token:
        hour, _, minute = token[1:].partition(":")
        return f"@{(int(hour) - 1) % 12 + 1}:{minute}"
    return _lemmas().get(token, token)


@lru_cache(maxsize=1)
def _lemmas() -> dict[str, str]:
    lemmas = dict(_IRREGULAR_LEMMAS)
    for noun in lexicon().nouns:
        if noun.english_plural:
            lemmas.setdefault(noun.english_plural.split(" ")[-1], noun.english.split(" ")[-1])
    for verb in lexicon().verbs:
        base, past, participle, progressive = verb.english
        for form in (past, participle, progressive, english.third_person(base)):
            if form != base:
                lemmas.setdefault(form, base)
    for base in ("want", "need", "like", "enjoy", "cost", "take", "last", "rain", "snow", "hail", "allow", "suppose"):
        for ending in ("s", "d", "ed", "ing"):
            lemmas.setdefault(base + ending, base)
    return lemmas | {"took": "take", "taken": "take", "enjoying": "enjoy"}
