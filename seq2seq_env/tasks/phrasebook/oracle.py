"""The oracle: the true quality of a hypothesis, because every sentence's meaning is known.

A sentence's meaning is carried by chunks: a content word (noun, verb, numeral, "not", ...) with the function words
before it, so "in the red car" is the chunks "in the red" and "car". With ``w`` the weight of words, ``h`` the
hypothesis and ``r`` a right wording of the translation,

    quality(h) = max over r of  (2 m(h, r) - w(h)) / w(r),  at least 0,

where ``m`` is the weight of the heaviest common subsequence of chunks. The share of the meaning carried over is
``m / w(r)``; what is invented, ``w(h) - m``, is taken off. A word in a wrong form of the right lemma counts half. A
function word counts only with its content word. A content word that ``h`` has already said as often as ``r`` does
counts half, its function words nothing. It is 1 only for a right wording itself. Punctuation and case are not judged,
except that a question is not a statement.

So words added at the end raise the quality only where they are missing meaning in its place: a chunk whose word is
not in ``r`` adds nothing to ``m``, and one whose word has been said often enough adds at most half of what it adds to
``w``, even where it takes up function words that ``h`` ended with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

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
        0.5: "am is are was were be been being have has had will would my your his her its our their this these there",
    }.items()
    for word in words.split()
}
_NEGATIVE = frozenset({"not", "never", "no"})
_PRONOUNS = frozenset({"i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them"})
_IRREGULAR_LEMMAS = {
    "am": "be", "is": "be", "are": "be", "was": "be", "were": "be", "been": "be", "being": "be",
    "has": "have", "had": "have", "does": "do", "did": "do", "an": "a", "these": "this", "me": "i", "him": "he",
    "us": "we", "them": "they",
}  # fmt: skip
_STATEMENT = re.compile(r"(?:!|(?<![ap]\.m)(?<!\bm[rs])(?<!\bmrs)\.)\s*$", re.IGNORECASE)
"""A final mark; the point of an abbreviation is none."""


class Chunk(NamedTuple):
    """A content word with the function words before it.

    Attributes:
        head: The content word; empty for function words that no content word follows.
        lemma: What the head has in common with its other forms.
        own: Weight of the head.
        prefix: The function words.
        weight: Weight of all of it.
    """

    head: str
    lemma: str
    own: float
    prefix: Tokens
    weight: float


Chunks = tuple[Chunk, ...]


class Reading:
    """A right wording prepared for comparison."""

    __slots__ = ("chunks", "weight")

    def __init__(self, segments: Segments) -> None:
        chunks: list[Chunk] = []
        prefix: Tokens = ()
        for segment in segments:
            if segment != ",":
                more, prefix = _chunked(segment, prefix)
                chunks += more
        if prefix:
            chunks.append(_chunk("", prefix))
        self.chunks: Chunks = tuple(chunks)
        self.weight = sum([chunk.weight for chunk in chunks])

    def times(self, lemma: str) -> int:
        """How often the wording has a lemma."""
        return sum([chunk.lemma == lemma for chunk in self.chunks])

    @property
    def tokens(self) -> Tokens:
        """The wording in its normal form."""
        return _tokens(self.chunks)


class Readings:
    """All right wordings of one sentence; each is prepared when the ones before it did not match a hypothesis."""

    def __init__(self, wordings: Iterable[Segments], mark: str) -> None:
        self.question = mark == "?"
        self._pending = iter(wordings)
        self._ready: list[Reading] = []

    def __iter__(self) -> Iterator[Reading]:
        at = 0
        while at < len(self._ready) or self._prepare_next():
            yield self._ready[at]
            at += 1

    def _prepare_next(self) -> bool:
        for segments in self._pending:
            self._ready.append(Reading(segments))
            return True
        return False


class _Hypothesis:
    """A hypothesis prepared for comparison."""

    def __init__(self, text: str) -> None:
        tokens = normal_form(text.strip())
        self.question = tokens[-1:] == ("?",)
        self.statement = _STATEMENT.search(text) is not None
        more, prefix = _split(tokens[:-1] if self.question else tokens, ())
        self.chunks: Chunks = (*more, _chunk("", prefix)) if prefix else tuple(more)
        self.weight = sum([chunk.weight for chunk in self.chunks])

    @cached_property
    def positions(self) -> dict[str, list[int]]:
        """Where each lemma stands, last place first."""
        positions: dict[str, list[int]] = {}
        for position in range(len(self.chunks) - 1, -1, -1):
            positions.setdefault(self.chunks[position].lemma, []).append(position)
        return positions


def quality(readings: Readings, text: str) -> float:
    """Quality of a hypothesis in [0, 1] against the right wordings."""
    hypothesis = _Hypothesis(text)
    wrong_mark = hypothesis.question if not readings.question else hypothesis.statement
    fault = WRONG_MARK if wrong_mark else 0.0
    chunks, weight, positions = hypothesis.chunks, hypothesis.weight, hypothesis.positions
    best = 0.0
    for reading in readings:
        if reading.chunks == chunks:
            return 1.0 - fault / reading.weight
        in_reach = min(weight, sum([chunk.weight for chunk in reading.chunks if chunk.lemma in positions]))
        if 2 * in_reach - weight - fault > best * reading.weight:
            worth = 2 * _common_weight(hypothesis, reading) - weight - fault
            best = max(best, worth / reading.weight)
    return best


def _common_weight(hypothesis: _Hypothesis, reading: Reading) -> float:
    """Weight of the heaviest common subsequence of chunks."""
    chunks, positions = hypothesis.chunks, hypothesis.positions
    size = len(chunks)
    best = [0.0] * (size + 1)
    for right in reading.chunks:
        places = positions.get(right.lemma, ())
        too_many = len(places) - reading.times(right.lemma) if len(places) > 1 else 0
        for rank, position in enumerate(places):
            chunk = chunks[position]
            if not right.head:
                gain = _common_function_weight(_not_said_before(hypothesis, reading), right.prefix)
            elif rank < too_many:
                gain = 0.5 * _head_gain(chunk, right)
            elif chunk == right:
                gain = right.weight
            else:
                gain = _head_gain(chunk, right) + _common_function_weight(chunk.prefix, right.prefix)
            value = best[position] + gain
            after = position + 1
            while after <= size and best[after] < value:
                best[after] = value
                after += 1
    return best[size]


def _head_gain(chunk: Chunk, right: Chunk) -> float:
    return right.own if chunk.head == right.head else 0.5 * right.own


def _not_said_before(hypothesis: _Hypothesis, reading: Reading) -> Tokens:
    """Function words at the end that the hypothesis does not say more often than the wording."""
    times, right_times = Counter(_tokens(hypothesis.chunks)), Counter(reading.tokens)
    return tuple(token for token in hypothesis.chunks[-1].prefix if times[token] <= right_times[token])


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


@lru_cache(maxsize=50_000)
def _chunked(segment: str, prefix: Tokens) -> tuple[Sequence[Chunk], Tokens]:
    return _split(normal_form(segment), prefix)


def _split(tokens: Tokens, prefix: Tokens) -> tuple[Sequence[Chunk], Tokens]:
    """Chunks of tokens that follow the function words ``prefix``, and the function words left over at the end."""
    chunks: list[Chunk] = []
    for token in tokens:
        if token in _FUNCTION:
            prefix = (*prefix, token)
        else:
            chunks.append(_chunk(token, prefix))
            prefix = ()
    return chunks, prefix


def _tokens(chunks: Chunks) -> Tokens:
    return tuple(token for chunk in chunks for token in (*chunk.prefix, chunk.head) if token)


@lru_cache(maxsize=50_000)
def _chunk(head: str, prefix: Tokens) -> Chunk:
    own = weight_of(head) if head else 0.0
    return Chunk(head, lemma_of(head), own, prefix, own + sum(_FUNCTION[token] for token in prefix))


def weight_of(token: str) -> float:
    """Weight of a content word."""
    if token in _NEGATIVE:
        return NEGATION
    if token[0] in "@0123456789":
        return NUMBER
    return PRONOUN if token in _PRONOUNS else CONTENT


@lru_cache(maxsize=50_000)
def lemma_of(token: str) -> str:
    """What the forms of a word have in common; the hours of both halves of the day share one."""
    hour, _, minute = token[1:].partition(":")
    if token[:1] == "@" and minute and hour.isdecimal():
        return f"@{(int(hour) - 1) % 12 + 1}:{minute}"
    return _lemmas().get(token, token)


@lru_cache(maxsize=1)
def _lemmas() -> dict[str, str]:
    lemmas = dict(_IRREGULAR_LEMMAS)
    for noun in lexicon().nouns:
        if noun.english_plural:
            for plural, singular in zip(noun.english_plural.split(), noun.english.split(), strict=True):
                lemmas.setdefault(plural, singular)
    for verb in lexicon().verbs:
        base, past, participle, progressive = verb.english
        for form in (past, participle, progressive, english.third_person(base)):
            if form != base:
                lemmas.setdefault(form, base)
    for base in ("want", "need", "like", "enjoy", "cost", "take", "last", "rain", "snow", "hail", "allow", "suppose"):
        for ending in ("s", "d", "ed", "ing"):
            lemmas.setdefault(base + ending, base)
    return lemmas | {"took": "take", "taken": "take"}
