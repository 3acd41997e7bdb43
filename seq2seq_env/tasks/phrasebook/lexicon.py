"""Words of the phrasebook: the lexicon's tables as records, with the weights they are drawn by."""

from __future__ import annotations

import csv
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

Word = TypeVar("Word")


@dataclass(frozen=True)
class Noun:
    """A German noun and the English noun it stands for in contexts of its classes.

    Homonyms are separate nouns with the same ``german`` and disjoint classes, so that the verb decides between them.

    Attributes:
        german: Nominative singular.
        gender: "m", "f" or "n".
        weak: Whether the noun is of the n-declension, whose oblique singular is its plural form.
        plural: Nominative plural; None for nouns without one.
        english: Singular.
        english_plural: None for mass nouns.
        classes: What the verbs' frames select by.
    """

    german: str
    gender: str
    weak: bool
    plural: str | None
    english: str
    english_plural: str | None
    classes: frozenset[str]


@dataclass(frozen=True)
class Verb:
    """A German verb in one of its meanings.

    Attributes:
        stem_infinitive: Infinitive without a separable prefix, "fahren".
        prefix: The separable prefix, "ab"; empty where there is none.
        present: Third person singular without the prefix, "fährt".
        participle: "abgefahren".
        auxiliary: "haben" or "sein".
        english: Base, past, past participle and -ing form of the first word; a particle follows in ``particle``.
        particle: What follows the English verb, "up" of "get up".
        aspect: "action", "event", or "state" (never progressive).
        subjects: Classes of noun that can be the subject.
        frame: Complements, each a tuple of its kind, its preposition with case and English preposition, its classes.
    """

    stem_infinitive: str
    prefix: str
    present: str
    participle: str
    auxiliary: str
    english: tuple[str, str, str, str]
    particle: str
    aspect: str
    subjects: frozenset[str]
    frame: tuple[Complement, ...]

    @property
    def infinitive(self) -> str:
        """The infinitive as it stands after a modal verb."""
        return join_prefix(self.prefix, self.stem_infinitive)


@dataclass(frozen=True)
class Complement:
    """One place in a verb's frame.

    Attributes:
        kind: "acc" (direct object), "dat" (indirect object, English without preposition), "to" (dative, English
            "to"), "prep" (prepositional object), "dir" (goal), "loc" (location) or "city" (city as goal).
        classes: Nouns that can fill it; empty for "dir", "loc" and "city".
        preposition: German preposition of a "prep" complement, with its case.
        english: English preposition of a "prep" complement.
    """

    kind: str
    classes: frozenset[str] = frozenset()
    preposition: tuple[str, str] = ("", "")
    english: str = ""


@dataclass(frozen=True)
class Adjective:
    """An adjective in predicate form, with the classes of noun it can describe."""

    german: str
    english: str
    classes: frozenset[str]

    @property
    def stem(self) -> str:
        """What the endings are added to."""
        return self.german.removesuffix("e")


@dataclass(frozen=True)
class Name:
    """A person's name; "Herr" alone of them declines."""

    german: str
    gender: str
    english: str


@dataclass(frozen=True)
class Weighted(Generic[Word]):
    """Words drawn with weight 1 / (rank + 6): a few are common, most are rare, as in any text."""

    words: tuple[Word, ...]
    cumulative: tuple[float, ...] = field(repr=False)

    @classmethod
    def ranked(cls, words: Sequence[Word]) -> Weighted[Word]:
        """Weights by the order given."""
        return cls(tuple(words), tuple(accumulate(1 / (rank + 6) for rank in range(len(words)))))

    def draw(self, random: Random) -> Word:
        """One word."""
        return self.words[bisect(self.cumulative, random.random() * self.cumulative[-1])]

    def __len__(self) -> int:
        return len(self.words)


class Lexicon:
    """All words, with the lists that the grammar draws from."""

    def __init__(self) -> None:
        self.nouns = tuple(_noun(row) for row in table("nouns"))
        self.verbs = tuple(_verb(row) for row in table("verbs"))
        self.adjectives = tuple(
            Adjective(row["german"], row["english"], frozenset(row["classes"].split())) for row in table("adjectives")
        )
        self.names = Weighted.ranked(
            [Name(row["german"], row["gender"], row["english"] or row["german"]) for row in table("names")]
        )
        self.cities = Weighted.ranked([(row["german"], row["english"]) for row in table("cities")])
        self._nouns_of: dict[frozenset[str], Weighted[Noun]] = {}
        self._adjectives_of: dict[frozenset[str], Weighted[Adjective] | None] = {}

    def nouns_of(self, classes: frozenset[str]) -> Weighted[Noun]:
        """Nouns in any of ``classes``."""
        if classes not in self._nouns_of:
            self._nouns_of[classes] = Weighted.ranked([noun for noun in self.nouns if noun.classes & classes])
        return self._nouns_of[classes]

    def adjectives_of(self, noun: Noun) -> Weighted[Adjective] | None:
        """Adjectives that can describe ``noun``; None where there are none."""
        if noun.classes not in self._adjectives_of:
            fitting = [adjective for adjective in self.adjectives if adjective.classes & noun.classes]
            self._adjectives_of[noun.classes] = Weighted.ranked(fitting) if fitting else None
        return self._adjectives_of[noun.classes]

    @cached_property
    def verbs_of_persons(self) -> Weighted[Verb]:
        """Verbs whose subject can be a person."""
        return Weighted.ranked([verb for verb in self.verbs if "person" in verb.subjects])

    @cached_property
    def verbs_of_things(self) -> Weighted[Verb]:
        """Verbs whose subject can be a vehicle or an event."""
        return Weighted.ranked([verb for verb in self.verbs if verb.subjects & {"vehicle", "aircraft", "event"}])


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    return Lexicon()


def join_prefix(prefix: str, form: str) -> str:
    """A separable prefix before a verb form: "ab" + "fährt"; "spazieren" stays a word of its own."""
    return f"{prefix} {form}" if prefix == "spazieren" else prefix + form


def table(name: str) -> list[dict[str, str]]:
    """Rows of one of the lexicon's tables."""
    text = (files(__package__) / "lexicon" / f"{name}.tsv").read_text(encoding="utf-8")
    return [
        {key: value or "" for key, value in row.items()}
        for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    ]


def _noun(row: dict[str, str]) -> Noun:
    return Noun(
        row["german"],
        row["gender"][0],
        row["gender"].endswith("*"),
        None if row["plural"] == "-" else row["plural"],
        row["english"],
        None if row["english_plural"] == "-" else row["english_plural"],
        frozenset(row["classes"].split()),
    )


def _verb(row: dict[str, str]) -> Verb:
    prefix, _, stem = row["infinitive"].rpartition("|")
    forms, particle = english_forms(row["english"])
    return Verb(
        stem,
        prefix,
        row["present"],
        row["participle"],
        {"h": "haben", "s": "sein"}[row["auxiliary"]],
        forms,
        particle,
        row["aspect"],
        frozenset(row["subject"].split("+")),
        tuple(_complement(text) for text in row["frame"].split() if text != "none"),
    )


def english_forms(text: str) -> tuple[tuple[str, str, str, str], str]:
    """Base, past, past participle and -ing form of a verb such as "take off,took off,taken off", and its particle."""
    written = text.split(",")
    base, _, particle = written[0].partition(" ")
    words = [form.partition(" ")[0] for form in written]
    past, participle = (words[1], words[2]) if len(words) > 1 else (_regular_past(base),) * 2
    progressive = words[3] if len(words) == 4 else _regular_progressive(base)
    return (base, past, participle, progressive), particle


def _complement(text: str) -> Complement:
    kind, *rest = text.split(":")
    if kind == "prep":
        preposition, case, english, classes = rest
        return Complement(kind, frozenset(classes.split("+")), (preposition, case), english)
    return Complement(kind, frozenset(rest[0].split("+")) if rest else frozenset())


def _regular_past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"


def _regular_progressive(base: str) -> str:
    return (base[:-1] if base.endswith("e") and not base.endswith("ee") else base) + "ing"
