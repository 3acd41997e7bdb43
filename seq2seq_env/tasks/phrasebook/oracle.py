"""The oracle: the true quality of a hypothesis, because every sentence's meaning is known.

A sentence's meaning is carried by chunks: a content word (noun, verb, numeral, "not", ...) with the function words
before it, so "in the red car" is the chunks "in the red" and "car". With ``w`` the weight of words, ``h`` the
hypothesis and ``r`` a right wording of the translation,

    quality(h) = max over r of  (2 m(h, r) - w(h)) / w(r),  at least 0,

where ``m`` is the weight of the heaviest common subsequence of chunks. The share of the meaning carried over is
``m / w(r)``; what is invented, ``w(h) - m``, is taken off. A word in a wrong form of the right lemma counts half. A
function word counts only with its content word. A content word that ``h`` has already said as often as ``r`` does
weighs half, and half of that counts, its function words nothing. It is 1 only for a right wording itself, where a
synonym of a word is as right as the word. Punctuation and case are not judged, except that a question is not a
statement. Where English may say it in another order or tense (:mod:`.rewordings`), the better of both counts.

Two things are not sums over words. An adverb of frequency in a wrong place costs its weight once, not as missing and
as invented. And a sentence that denies what it should say, or says what it should deny, is worth ``DENIED`` of what it
otherwise were: so it is where the negations of ``h`` are not as many as those of ``r``, or stand at other words.

So words added at the end raise the quality only where they are missing meaning in its place: a chunk whose word is
not in ``r`` adds nothing to ``m``, and one whose word has been said often enough adds at most half of what it adds to
``w``, even where it takes up function words that ``h`` ended with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache
from typing import NamedTuple

from seq2seq_env.tasks.phrasebook import english, rewordings
from seq2seq_env.tasks.phrasebook.clause import Segments
from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.normal_form import Tokens, normal_form
from seq2seq_env.tasks.phrasebook.synonyms import Replacements, replaced, replacements

CONTENT, NUMBER, NEGATION, PRONOUN, WRONG_MARK = 1.0, 1.5, 1.5, 0.75, 0.5
DENIED = 0.4
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
_MARKS = frozenset({".", "!", "?"})
_FREQUENCY = frozenset({"often", "always", "sometimes", "rarely", "never"})
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


class Wording:
    """Words prepared for comparison, a right translation's or a hypothesis's.

    Attributes:
        chunks: In order.
        weight: Of all of them.
    """

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self.weight = sum([chunk.weight for chunk in chunks])

    @cached_property
    def lemmas(self) -> dict[str, list[int]]:
        """Where each lemma stands, last place first."""
        lemmas: dict[str, list[int]] = {}
        for place in range(len(self.chunks) - 1, -1, -1):
            lemmas.setdefault(self.chunks[place].lemma, []).append(place)
        return lemmas

    @property
    def tokens(self) -> Tokens:
        """The wording in its normal form."""
        return tuple(token for chunk in self.chunks for token in (*chunk.prefix, chunk.head) if token)

    def said(self, words: AbstractSet[str]) -> Tokens:
        """Those of some content words that it has, sorted."""
        return tuple(sorted([chunk.head for chunk in self.chunks if chunk.head in words]))

    def least_weight(self) -> float:
        """What it weighs where each word that it repeats is one too many."""
        several = [places for places in self.lemmas.values() if len(places) > 1]
        return self.weight - 0.5 * sum([self.chunks[place].own for places in several for place in places[:-1]])


class Readings:
    """All right wordings of one sentence; each is prepared when the ones before it did not match a hypothesis.

    Where the sentence begins with "Sie" (``they_or_you``), "they" is as right for its subject as "you".
    """

    def __init__(self, wordings: Iterable[Segments], mark: str, *, they_or_you: bool = False) -> None:
        self.question = mark == "?"
        self.they_or_you = they_or_you
        self._pending = iter(wordings)
        self._ready: list[Wording] = []

    def __iter__(self) -> Iterator[Wording]:
        at = 0
        while at < len(self._ready) or self._prepare_next():
            yield self._ready[at]
            at += 1

    def _prepare_next(self) -> bool:
        for segments in self._pending:
            self._ready.append(_wording(segments))
            return True
        return False

    @cached_property
    def future(self) -> frozenset[str]:
        """Verbs that some wording has after "will"."""
        return rewordings.future_verbs(wording.tokens for wording in self)

    @cached_property
    def synonyms(self) -> Replacements:
        """Synonyms for the words of the reference's wording, which are those of all."""
        tokens = next(iter(self)).tokens
        return replacements(tokens, frozenset(lemma_of(token) for token in tokens))


def quality(readings: Readings, text: str) -> float:
    """Quality of a hypothesis in [0, 1] against the right wordings."""
    best = _quality(readings, text)
    other = rewordings.main_clause_first(text)
    return best if other == text else max(best, _quality(readings, other))


def _quality(readings: Readings, text: str) -> float:
    tokens = normal_form(text.strip())
    words = tuple([token for token in tokens if token not in _MARKS])
    reference = next(iter(readings))
    if readings.they_or_you and "they" in words:
        words = rewordings.addressed(words, reference.tokens)
    if readings.question and "not" in words:
        words = rewordings.negated_as_asked(words, reference.tokens)
    hypothesis = _said_as(words)
    question = "?" in tokens
    statement = len(words) + tokens.count("?") < len(tokens) or _STATEMENT.search(text) is not None
    fault = WRONG_MARK if (statement if readings.question else question) else 0.0
    if reference.chunks == hypothesis.chunks:
        return 1.0 - fault / reference.weight
    if (known := replaced(words, readings.synonyms)) != words:
        hypothesis = _said_as(known)
    best = _best(readings, hypothesis, fault)
    for other in rewordings.changed(known, readings.future if "going" in known else frozenset()):
        best = max(best, _best(readings, _said_as(other), fault))
    return best


def _best(readings: Readings, hypothesis: Wording, fault: float) -> float:
    least = hypothesis.least_weight()
    best = 0.0
    for reading in readings:
        if reading.chunks == hypothesis.chunks:
            return 1.0 - fault / reading.weight
        in_reach = min(
            hypothesis.weight, sum([chunk.weight for chunk in reading.chunks if chunk.lemma in hypothesis.lemmas])
        )
        if 2 * in_reach - least - fault > best * reading.weight:
            best = max(best, (_worth(hypothesis, reading) - fault) / reading.weight)
    return best


def _worth(hypothesis: Wording, reading: Wording) -> float:
    """Weight carried over less weight invented, of what is not denied, wherever an adverb of frequency stands."""
    worth = _worth_in_order(hypothesis, reading)
    if (adverbs := hypothesis.said(_FREQUENCY)) and adverbs == reading.said(_FREQUENCY):
        worth = max(worth, _worth_in_order(_without(hypothesis, _FREQUENCY), _without(reading, _FREQUENCY)))
    return worth


def _worth_in_order(hypothesis: Wording, reading: Wording) -> float:
    common, repeated = _common_weight(hypothesis, reading)
    worth = 2 * common - (hypothesis.weight - 0.5 * repeated)
    negations = hypothesis.said(_NEGATIVE)
    denied = negations != reading.said(_NEGATIVE)
    if negations and not denied:
        # A negation at another word is missing from the common subsequence, or keeps that word out of it.
        rest, _ = _common_weight(_without(hypothesis, _NEGATIVE), _without(reading, _NEGATIVE))
        denied = common < rest + NEGATION * len(negations) - 1e-6
    return DENIED * worth if denied else worth


def _common_weight(hypothesis: Wording, reading: Wording) -> tuple[float, float]:
    """Weight of the heaviest common subsequence of chunks, and of the hypothesis's words that are said too often."""
    chunks = hypothesis.chunks
    size = len(chunks)
    best = [0.0] * (size + 1)
    repeated = {}
    for right in reading.chunks:
        places = hypothesis.lemmas.get(right.lemma, ())
        too_many = len(places) - len(reading.lemmas[right.lemma]) if len(places) > 1 and right.head else 0
        if too_many > 0:
            repeated[right.lemma] = sum([chunks[place].own for place in places[:too_many]])
        for rank, place in enumerate(places):
            chunk = chunks[place]
            if not right.head:
                gain = _common_function_weight(_not_said_before(hypothesis, reading), right.prefix)
            elif rank < too_many:
                gain = 0.25 * _head_gain(chunk, right)
            elif chunk == right:
                gain = right.weight
            else:
                gain = _head_gain(chunk, right) + _common_function_weight(chunk.prefix, right.prefix)
            value = best[place] + gain
            after = place + 1
            while after <= size and best[after] < value:
                best[after] = value
                after += 1
    return best[size], sum(repeated.values())


def _head_gain(chunk: Chunk, right: Chunk) -> float:
    return right.own if chunk.head == right.head else 0.5 * right.own


def _not_said_before(hypothesis: Wording, reading: Wording) -> Tokens:
    """Function words at the end that the hypothesis does not say more often than the wording."""
    times, right_times = Counter(hypothesis.tokens), Counter(reading.tokens)
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


def _wording(segments: Segments) -> Wording:
    chunks: list[Chunk] = []
    prefix: Tokens = ()
    for segment in segments:
        if segment != ",":
            more, prefix = _chunked(segment, prefix)
            chunks += more
    if prefix:
        chunks.append(_chunk("", prefix))
    return Wording(tuple(chunks))


def _said_as(tokens: Tokens) -> Wording:
    chunks, prefix = _split(tokens, ())
    return Wording((*chunks, _chunk("", prefix)) if prefix else tuple(chunks))


def _without(wording: Wording, words: AbstractSet[str]) -> Wording:
    """A wording without some content words; their function words go to what follows."""
    return _said_as(tuple([token for token in wording.tokens if token not in words]))


@lru_cache(maxsize=50_000)
def _chunked(segment: str, prefix: Tokens) -> tuple[Sequence[Chunk], Tokens]:
    return _split(normal_form(segment), prefix)


def _split(tokens: Tokens, prefix: Tokens) -> tuple[Sequence[Chunk], Tokens]:
    """Chunks of tokens that follow the function words ``prefix``, and the function words left over at the end."""
    chunks: list[Chunk] = []
    for token in tokens:
        if token in _FUNCTION and (token != "order" or prefix[-1:] == ("in",)):
            prefix = (*prefix, token)
        else:
            chunks.append(_chunk(token, prefix))
            prefix = ()
    return chunks, prefix


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
