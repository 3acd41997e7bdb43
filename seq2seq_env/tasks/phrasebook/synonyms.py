"""Synonyms: English words that are as right as the one which the grammar uses."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from itertools import chain
from typing import NamedTuple

from seq2seq_env.tasks.phrasebook import english
from seq2seq_env.tasks.phrasebook.lexicon import english_forms, lexicon, table
from seq2seq_env.tasks.phrasebook.normal_form import Tokens


class Replacement(NamedTuple):
    """One form of a synonym, and the same form of the word it stands for.

    Attributes:
        synonym: What a hypothesis may say.
        word: What the grammar says.
        beside: A word that the hypothesis must have, too, in any form, as "close" means "turn off" of a tap; empty for
            none.
        rest: What the word has more than its synonym in any form, as "mobile" beside "phone": a hypothesis with one of
            these says the word itself.
    """

    synonym: Tokens
    word: Tokens
    beside: str
    rest: frozenset[str]


Replacements = dict[str, list[Replacement]]
"""Replacements by the first token of the synonym, the longest first."""


def replacements(tokens: Collection[str], lemmas: frozenset[str]) -> Replacements:
    """Synonyms for the words of a right wording.

    A synonym that the wording itself has stands for itself: beside a bag, a handbag is something else.

    Args:
        tokens: The wording in normal form.
        lemmas: Of its tokens.
    """
    replacements: Replacements = {}
    known = lemmas.union(tokens)  # "meeting" is a noun, and a form of "meet"
    # Sorted, because Python orders a set of strings anew in each process, and of equal synonyms the first is taken.
    for lemma in sorted(known):
        for forms in _by_lemma().get(lemma, ()):
            word, synonym = forms[0].word, forms[0].synonym
            # "Phone" is in "mobile phone" itself, and stands for it all the same.
            others = known.difference(word) if set(synonym) < set(word) else known
            if known.issuperset(word) and not others.issuperset(synonym):
                for form in forms:
                    replacements.setdefault(form.synonym[0], []).append(form)
    for several in replacements.values():
        # "Shut" is every form of "close" but one; the one that the wording has is meant.
        several.sort(key=lambda form: (-len(form.synonym), form.word[0] not in tokens))
    return replacements


def replaced(tokens: Tokens, by: Replacements) -> Tokens:
    """Tokens with the grammar's words in place of synonyms; "a" or "an" goes with the new word.

    Where a synonym may be several words ("pretty": "quite" or "beautiful"), it is one that is not said already.
    """
    if by.keys().isdisjoint(tokens):
        return tokens
    result: list[str] = []
    at = 0
    while at < len(tokens):
        candidates = [each for each in by.get(tokens[at], ()) if _fits(each, tokens, at)]
        if candidates:
            longest = len(candidates[0].synonym)
            new = (each for each in candidates if len(each.synonym) == longest and each.word[0] not in tokens)
            chosen = next(new, candidates[0])
            if result and result[-1] in ("a", "an"):
                result[-1] = english.article(chosen.word[0])
            result += chosen.word
            at += longest
        else:
            result.append(tokens[at])
            at += 1
    return tuple(result)


def _fits(each: Replacement, tokens: Tokens, at: int) -> bool:
    return (
        tokens[at : at + len(each.synonym)] == each.synonym
        and any(token.startswith(each.beside) for token in tokens)  # "taps" and "inspected" as well
        and each.rest.isdisjoint(tokens)
    )


@cache
def _by_lemma() -> dict[str, list[list[Replacement]]]:
    """All forms of a word and one of its synonyms, the base first, by the first token of the word."""
    by_first: dict[str, list[list[Replacement]]] = {}
    for row in table("synonyms"):
        forms_of = {"noun": _noun_forms, "verb": _verb_forms, "other": _one_form}[row["kind"]]
        words = forms_of(_known(row["english"], row["kind"]))
        for synonym in row["synonyms"].split(";"):
            others = forms_of(synonym)
            rest = _rest(words, others) if set(others[0]) < set(words[0]) else frozenset()
            forms = [Replacement(other, word, row["with"], rest) for word, other in zip(words, others, strict=True)]
            by_first.setdefault(words[0][0], []).append(forms)
    return by_first


def _rest(words: list[Tokens], others: list[Tokens]) -> frozenset[str]:
    return frozenset(chain(*words)).difference(chain(*others), ("and", "of"))


def _known(word: str, kind: str) -> str:
    """A word of the lexicon with the forms that are written there."""
    if kind == "noun":
        plural = next(noun.english_plural for noun in lexicon().nouns if noun.english == word)
        return f"{word},{plural}" if plural else word
    if kind == "verb":
        verb = next((each for each in lexicon().verbs if f"{each.english[0]} {each.particle}".strip() == word), None)
        if verb:
            return ",".join(f"{form} {verb.particle}".strip() for form in verb.english)
    return word


def _noun_forms(text: str) -> list[Tokens]:
    singular, _, plural = text.partition(",")
    return [tuple(form.split()) for form in (singular, plural or english.third_person(singular))]


def _verb_forms(text: str) -> list[Tokens]:
    (base, past, participle, progressive), particle = english_forms(text)
    forms = (base, english.third_person(base), past, participle, progressive)
    return [(form, *particle.split()) for form in forms]


def _one_form(text: str) -> list[Tokens]:
    return [tuple(text.split())]
