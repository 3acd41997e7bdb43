"""Noun phrases, times and places: the parts of a clause, each in German by case and in English by right wordings."""

from __future__ import annotations

from dataclasses import dataclass

from seq2seq_env.tasks.phrasebook import english, german
from seq2seq_env.tasks.phrasebook.lexicon import Adjective, Name, Noun
from seq2seq_env.tasks.phrasebook.quantities import number_words


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun."""

    person: str
    definite = True

    def german(self, case: str) -> str:
        """The pronoun by case."""
        return german.PRONOUNS[self.person][case]

    def subject(self) -> str:
        """English as a subject."""
        return english.SUBJECT[self.person]

    def object(self) -> str:
        """English as an object."""
        return english.OBJECT[self.person]


@dataclass(frozen=True)
class Named:
    """A person by name."""

    name: Name
    definite = True

    @property
    def person(self) -> str:
        """Third person of the name's gender."""
        return "3" + self.name.gender

    def german(self, case: str) -> str:
        """The name; "Herr" is "Herrn" outside the nominative."""
        return self.name.german if case == "nom" else self.name.german.replace("Herr ", "Herrn ")

    def subject(self) -> str:
        """English as a subject."""
        return self.name.english

    def object(self) -> str:
        """English as an object."""
        return self.name.english


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its determiner, adjective and number.

    Attributes:
        noun: The head.
        kind: Determiner as in :func:`german.determiner`, or "count" for a numeral.
        plural: Whether the noun stands in the plural.
        adjective: Before the noun, or None.
        count: The numeral where ``kind`` is "count", 2 or more.
        owner: Person of the possessor where ``kind`` is "poss".
    """

    noun: Noun
    kind: str = "def"
    plural: bool = False
    adjective: Adjective | None = None
    count: int = 0
    owner: str = "1s"

    @property
    def person(self) -> str:
        """Third person, by number and gender."""
        return "3p" if self.plural else "3" + self.noun.gender

    @property
    def definite(self) -> bool:
        """Whether German puts the phrase before times and "nicht"."""
        return self.kind in ("def", "this", "poss")

    @property
    def english_person(self) -> str:
        """Person that the English verb agrees with: vegetables are plural in English alone."""
        return "3p" if self.plural or self.noun.english.endswith("vegetables") else "3" + self.noun.gender

    def german(self, case: str) -> str:
        """The whole phrase by case."""
        gender = "p" if self.plural else self.noun.gender
        kind = "none" if self.kind == "count" else self.kind
        words = [number_words(self.count, "de")] if self.kind == "count" else []
        words.append(german.determiner(kind, case, gender, self.owner))
        if self.adjective:
            words.append(german.adjective_form(self.adjective, kind, case, gender))
        words.append(german.noun_form(self.noun, case, self.plural))
        return " ".join(word for word in words if word)

    def subject(self) -> str:
        """English as a subject."""
        return self.object()

    def object(self) -> str:
        """English with its determiner; "no" for the negative article."""
        bare = self.bare()
        if self.kind == "count":
            return f"{number_words(self.count, 'en')} {bare}"
        word = {
            "def": "the",
            "this": "these" if self.plural else "this",
            "indef": "" if self.plural else english.article(bare),
            "no": "no",
            "poss": english.POSSESSIVE[self.owner],
            "none": "",
        }[self.kind]
        return f"{word} {bare}" if word else bare

    def bare(self) -> str:
        """English adjective and noun without a determiner."""
        noun = self.noun.english_plural if self.plural and self.noun.english_plural else self.noun.english
        return f"{self.adjective.english} {noun}" if self.adjective else noun

    def under_negation(self) -> tuple[str, ...]:
        """English of a "kein" phrase after "not": "a jacket", "any apples" or "apples"."""
        bare = self.bare()
        if self.plural or self.noun.english_plural is None:
            return (f"any {bare}", bare)
        return (f"{english.article(bare)} {bare}",)


Phrase = Pronoun | Named | NounPhrase


@dataclass(frozen=True)
class Adverbial:
    """A time or place in both languages.

    Attributes:
        german: The German words.
        english: Right wordings, the reference's first.
        kind: For times "past", "present", "future" or "any" (goes with every tense).
    """

    german: str
    english: tuple[str, ...]
    kind: str = "any"


def at_place(noun: Noun) -> Adverbial:
    """Location: "am Bahnhof", "in der Apotheke", "auf dem Markt"."""
    dative = german.determiner("def", "dat", noun.gender)
    if "am" in noun.classes:
        return Adverbial(f"am {noun.german}", (f"at the {noun.english}",))
    if "im" in noun.classes and noun.gender != "f":
        return Adverbial(f"im {noun.german}", (f"in the {noun.english}", f"at the {noun.english}"))
    word = "auf" if "auf" in noun.classes else "in"
    return Adverbial(f"{word} {dative} {noun.german}", (f"at the {noun.english}", f"in the {noun.english}"))


def to_place(noun: Noun) -> Adverbial:
    """Goal: "zum Bahnhof", "zur Apotheke"."""
    return Adverbial(f"{'zur' if noun.gender == 'f' else 'zum'} {noun.german}", (f"to the {noun.english}",))


_RELATIONS = (
    ("neben", ("next to", "beside")),
    ("hinter", ("behind",)),
    ("vor", ("in front of",)),
    ("gegenüber von", ("opposite", "across from")),
    ("in der Nähe von", ("near", "close to")),
)
RELATIONS = len(_RELATIONS)


def near_place(relation: int, noun: Noun) -> Adverbial:
    """Place relative to another: "neben dem Bahnhof"."""
    word, wordings = _RELATIONS[relation]
    article = german.determiner("def", "dat", noun.gender)
    place = f"{word} {article} {noun.german}".replace("von dem ", "vom ")
    return Adverbial(place, tuple(f"{wording} the {noun.english}" for wording in wordings))
