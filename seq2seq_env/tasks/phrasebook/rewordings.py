"""Orders and tenses that English may use as well as the grammar's, brought to the grammar's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import islice, takewhile

from seq2seq_env.tasks.phrasebook.english import article
from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.normal_form import Tokens

_AUXILIARIES = frozenset({
    "am", "is", "are", "was", "were", "do", "does", "did", "have", "has", "had", "will", "would", "can", "could", "may",
    "must", "should",
})  # fmt: skip
_CONJUNCTIONS = frozenset({"because", "since", "as", "for", "although", "though", "and", "but", "if", "when"})
_SUBJECTS = frozenset({"i", "you", "he", "she", "it", "we", "they"})
_REASON_FIRST = re.compile(
    r"\s*((?:because|since|as|(?:even )?though|although)\s[^,]+),\s*(.*?)([.!?\s]*)", re.I | re.S
)
_TIME = (
    r"(?:yesterday(?: evening)?|last (?:week|night|month|year)|this (?:morning|evening)|the day before yesterday|"
    r"the day after tomorrow|tomorrow(?: morning)?|next (?:week|month)|tonight|soon|later|today|now|"
    r"(?:at|on) the (?:moment|weekend)|in \d+ (?:days|weeks|months|hours)|\d+ (?:days|weeks|months|hours) ago|"
    r"on (?:\w+day|@\d+-\d+)|at @\d+:\d\d)"
)
_PLACE = (
    r"(?:in(?! order)|at|next to|beside|behind|in front of|opposite|across from|near|close to) "
    r"(?!the (?:moment|weekend))(?:the )?[^\W\d]+(?: [^\W\d]+)??"
)
_TIME_AND_PLACE = re.compile(
    rf"\b({_TIME}(?: {_TIME})?) ({_PLACE})(?= (?:because|since|as|for|although|even|though|and|but|if|when|to|in)\b|$)"
)


def main_clause_first(text: str) -> str:
    """A text with the reason it begins with at its end: "because it rains, he stays" is "he stays because it rains"."""
    found = _REASON_FIRST.fullmatch(text)
    return f"{found[2]} {found[1]}{found[3]}" if found else text


def negated_as_asked(words: Tokens, right: Tokens) -> Tokens:
    """A question's words with "not" behind its subject, where the reference has it: "didn't the bus stop"."""
    at = words.index("not")
    after = right.index("not", at) if "not" in right[at:] else at
    subject = right[at:after]
    if not subject or words[at - 1] not in _AUXILIARIES or not _AUXILIARIES.isdisjoint(subject):
        return words
    return (*words[:at], *words[at + 1 : after + 1], "not", *words[after + 1 :])


def addressed(words: Tokens, right: Tokens) -> Tokens:
    """Words with "you" for the "they" that is their first subject, where "you" is the reference's: either is "Sie"."""
    first, wanted = (next((token for token in each if token in _SUBJECTS), "") for each in (words, right))
    if (first, wanted) != ("they", "you"):
        return words
    at = words.index("they")
    return (*words[:at], "you", *words[at + 1 :])


def future_verbs(wordings: Iterable[Tokens]) -> frozenset[str]:
    """Verbs after "will" in some right wordings; the first two, because "cook" may be the subject."""
    verbs: set[str] = set()
    for words in wordings:
        for at, word in enumerate(words):
            if word == "will":
                clause = takewhile(lambda token: token not in _CONJUNCTIONS, words[at:])
                verbs.update(islice(filter(_base_forms().__contains__, clause), 2))
    return frozenset(verbs)


def changed(words: Tokens, future: frozenset[str]) -> Iterator[Tokens]:
    """What a hypothesis could have said instead, one change after another.

    Args:
        words: Of the hypothesis, in normal form.
        future: Verbs that "will" may stand before.
    """
    for change in (_without_then, _not_a, _place_before_time, partial(_will, verbs=future)):
        other = change(words)
        if other != words:
            words = other
            yield words


def _without_then(words: Tokens) -> Tokens:
    """Without the "then" that may follow a condition."""
    if "then" not in words or {"if", "when"}.isdisjoint(words):
        return words
    at = words.index("then")
    return (*words[:at], *words[at + 1 :])


def _not_a(words: Tokens) -> Tokens:
    """As "not a key" for "not any key"."""
    at = words.index("any") if "any" in words[:-1] and "not" in words else 0
    return (*words[:at], article(words[at + 1]), *words[at + 1 :]) if at else words


def _place_before_time(words: Tokens) -> Tokens:
    """As "he works at the bank today" for "he works today at the bank"."""
    return tuple(_TIME_AND_PLACE.sub(r"\2 \1", " ".join(words)).split(" "))


def _will(words: Tokens, verbs: frozenset[str]) -> Tokens:
    """As "will you buy it" for "are you going to buy it"."""
    said = list(words)
    for at in range(len(said) - 3, 0, -1):
        if said[at : at + 2] == ["going", "to"] and said[at + 2] in verbs:
            be = next((place for place in range(at - 1, -1, -1) if said[place] in ("am", "is", "are")), None)
            if be is not None:
                said[be] = "will"
                del said[at : at + 2]
    return tuple(said)


@cache
def _base_forms() -> frozenset[str]:
    return frozenset(verb.english[0].split()[0] for verb in lexicon().verbs)
