"""Draws the parts of a clause: persons, things, times and places."""

from __future__ import annotations

from random import Random

from seq2seq_env.tasks.phrasebook.lexicon import Noun, Verb, lexicon
from seq2seq_env.tasks.phrasebook.phrases import (
    RELATIONS,
    Adverbial,
    Named,
    NounPhrase,
    Phrase,
    Pronoun,
    at_place,
    near_place,
    to_place,
)
from seq2seq_env.tasks.phrasebook.quantities import (
    MINUTES_SPOKEN,
    day_of_month,
    number_words,
    spoken_time,
    weekday,
    written_time,
)

_PERSON = frozenset({"person"})
_PLACE = frozenset({"place"})
_NEVER_OWNED = frozenset({"food", "sight", "opening", "surface", "button", "valve", "payable", "dish"})
_COUNTED_IN_DOZENS = frozenset({"food", "ware", "parcel", "writing"})
_PRONOUNS = ("1s", "1p", "3f", "3m", "formal", "2s", "1s", "3p", "2p")

_PAST = (
    Adverbial("gestern", ("yesterday",), "past"),
    Adverbial("letzte Woche", ("last week",), "past"),
    Adverbial("gestern Abend", ("yesterday evening", "last night"), "past"),
    Adverbial("heute Morgen", ("this morning",), "past"),
    Adverbial("vorgestern", ("the day before yesterday",), "past"),
    Adverbial("letzten Monat", ("last month",), "past"),
    Adverbial("letztes Jahr", ("last year",), "past"),
)
_FUTURE = (
    Adverbial("morgen", ("tomorrow",), "future"),
    Adverbial("nächste Woche", ("next week",), "future"),
    Adverbial("heute Abend", ("this evening", "tonight"), "future"),
    Adverbial("übermorgen", ("the day after tomorrow",), "future"),
    Adverbial("morgen früh", ("tomorrow morning",), "future"),
    Adverbial("am Wochenende", ("at the weekend", "on the weekend"), "future"),
    Adverbial("bald", ("soon",), "future"),
    Adverbial("nächsten Monat", ("next month",), "future"),
    Adverbial("später", ("later",), "future"),
)
_NOW = (
    Adverbial("heute", ("today",), "present"),
    Adverbial("jetzt", ("now",), "present"),
    Adverbial("im Moment", ("at the moment",), "present"),
)
_UNITS = (("Tagen", "days"), ("Wochen", "weeks"), ("Monaten", "months"), ("Stunden", "hours"))


def draw_subject(random: Random, *, they: bool) -> Phrase:
    """A person as a subject; plural "sie" only where ``they`` allows it."""
    roll = random.random()
    if roll < 0.5:
        person = _PRONOUNS[random.randrange(len(_PRONOUNS))]
        return Pronoun("1p" if person == "3p" and not they else person)
    if roll < 0.72:
        return Named(lexicon().names.draw(random))
    return _person_phrase(random, lexicon().nouns_of(_PERSON).draw(random), _speaker(random), plural=roll > 0.93)


def draw_person(random: Random, subject: Phrase, *, accusative: bool) -> Phrase:
    """A person as an object, never the subject itself; the accusative "sie" stands for "her"."""
    roll = random.random()
    if roll < 0.35:
        person = _PRONOUNS[random.randrange(len(_PRONOUNS))]
        person = "3f" if accusative and person == "3p" else person
        taken = subject.person[0] if subject.person != "formal" else "2"
        own = person[0] if person != "formal" else "2"
        if own != taken or (own == "3" and not isinstance(subject, Pronoun)):
            return Pronoun(person)
    if roll < 0.55:
        name = lexicon().names.draw(random)
        if not (isinstance(subject, Named) and subject.name == name):
            return Named(name)
    noun = lexicon().nouns_of(_PERSON).draw(random)
    return _person_phrase(random, noun, _owner(random, subject), plural=random.random() < 0.1)


def draw_thing(random: Random, classes: frozenset[str]) -> NounPhrase:
    """A vehicle or event as a subject."""
    noun = lexicon().nouns_of(classes).draw(random)
    return _with_adjective(random, NounPhrase(noun, "def" if random.random() < 0.8 else "this"))


def draw_object(random: Random, classes: frozenset[str], subject: Phrase) -> NounPhrase:
    """A thing of ``classes``: mass nouns mostly bare, others with any determiner, number or numeral."""
    noun = lexicon().nouns_of(classes).draw(random)
    roll = random.random()
    if noun.plural is None:
        if noun.english_plural is not None:
            return NounPhrase(noun, "def" if roll < 0.7 else "poss", owner=_owner(random, subject))
        return _with_adjective(random, NounPhrase(noun, "none" if roll < 0.75 else "def"))
    if roll < 0.26:
        phrase = NounPhrase(noun, "def")
    elif roll < 0.54:
        phrase = NounPhrase(noun, "indef")
    elif roll < 0.7:
        owned = not noun.classes & _NEVER_OWNED
        phrase = NounPhrase(noun, "poss" if owned else "def", owner=_owner(random, subject))
    elif roll < 0.76:
        phrase = NounPhrase(noun, "this")
    elif roll < 0.82:
        phrase = NounPhrase(noun, "def", plural=True)
    elif roll < 0.88:
        phrase = NounPhrase(noun, "none", plural=True)
    else:
        many = bool(noun.classes & _COUNTED_IN_DOZENS)
        phrase = NounPhrase(noun, "count", plural=True, count=draw_count(random, many=many))
    return _with_adjective(random, phrase)


def draw_count(random: Random, *, many: bool) -> int:
    """A number of things: small, or now and then a compound numeral where ``many`` allows it."""
    return random.randint(13, 99) if many and random.random() < 0.4 else random.randint(2, 6)


def draw_time(random: Random, kind: str) -> Adverbial | None:
    """A time of the kind "past", "future" or "now"; None for the empty kind."""
    roll = random.random()
    if kind == "past":
        if roll < 0.75:
            return _PAST[min(int(random.expovariate(0.45)), len(_PAST) - 1)]
        count = random.randint(2, 12)
        de, en = _UNITS[random.randrange(len(_UNITS))]
        wording = f"{number_words(count, 'en')} {en} ago"
        return Adverbial(f"vor {number_words(count, 'de')} {de}", (wording,), "past")
    if kind == "now":
        return _NOW[random.randrange(len(_NOW))]
    if kind != "future":
        return None
    if roll < 0.4:
        return _FUTURE[min(int(random.expovariate(0.35)), len(_FUTURE) - 1)]
    if roll < 0.6:
        return draw_clock(random)
    if roll < 0.75:
        return draw_day(random)
    if roll < 0.9:
        return join_times(draw_day(random), draw_clock(random))
    count = random.randint(2, 20)
    de, en = _UNITS[random.randrange(len(_UNITS))]
    return Adverbial(f"in {number_words(count, 'de')} {de}", (f"in {number_words(count, 'en')} {en}",), "future")


def draw_clock(random: Random) -> Adverbial:
    """A clock time: "um halb vier" or "um 15:30 Uhr"."""
    if random.random() < 0.6:
        minute = MINUTES_SPOKEN[random.randrange(len(MINUTES_SPOKEN))]
        de, en = spoken_time(random.randint(1, 12), minute)
        return Adverbial(f"um {de}", (f"at {en}",), "future")
    de, wordings = written_time(random.randint(6, 22), random.randrange(0, 60, 5))
    return Adverbial(f"um {de}", tuple(f"at {wording}" for wording in wordings), "future")


def draw_day(random: Random) -> Adverbial:
    """A day: "am Montag" or "am 3. Mai"."""
    if random.random() < 0.6:
        de, en = weekday(random.randrange(7))
        return Adverbial(f"am {de}", (f"on {en}",), "future")
    de, en = day_of_month(random.randint(1, 12), random.randint(1, 28))
    return Adverbial(f"am {de}", (f"on {en}",), "future")


def join_times(first: Adverbial, second: Adverbial) -> Adverbial:
    """A day and a clock time, in either order in English."""
    wordings = [(f"{day} {clock}", f"{clock} {day}") for day in first.english for clock in second.english]
    return Adverbial(
        f"{first.german} {second.german}",
        tuple(wording for pair in wordings for wording in pair),
        first.kind,
    )


def draw_goal(random: Random, verb: Verb, *, city_only: bool) -> Adverbial:
    """Where to: a city, home or a place in town; trains and cars may be named for the way there."""
    if city_only or (verb.stem_infinitive in ("fahren", "fliegen") and random.random() < 0.55):
        de, en = lexicon().cities.draw(random)
        goal = Adverbial(f"nach {de}", (f"to {en}",))
    elif random.random() < 0.15:
        goal = Adverbial("nach Hause", ("home",))
    else:
        goal = to_place(lexicon().nouns_of(_PLACE).draw(random))
    if verb.stem_infinitive == "fahren" and random.random() < 0.3:
        noun = lexicon().nouns_of(frozenset({"vehicle"})).draw(random)
        article = "der" if noun.gender == "f" else "dem"
        word = {"ship": "boat"}.get(noun.english, noun.english)
        means = (f"by {word}",) if word != "boat" else ("by ship", "by boat")
        return Adverbial(
            f"mit {article} {noun.german} {goal.german}",
            tuple(f"{there} {by}" for there in goal.english for by in means),
        )
    return goal


def draw_location(random: Random, *, cities: bool = True) -> Adverbial:
    """Where: in a city, at a place, or next to one."""
    roll = random.random()
    if cities and roll < 0.4:
        de, en = lexicon().cities.draw(random)
        return Adverbial(f"in {de}", (f"in {en}",))
    noun = lexicon().nouns_of(_PLACE).draw(random)
    return at_place(noun) if roll < 0.8 else draw_relation(random, noun)


def draw_relation(random: Random, noun: Noun) -> Adverbial:
    """A place by what it is next to."""
    return near_place(random.randrange(RELATIONS), noun)


def _person_phrase(random: Random, noun: Noun, owner: str, *, plural: bool) -> NounPhrase:
    if "own" in noun.classes:
        return NounPhrase(noun, "poss", plural, owner=owner)
    return _with_adjective(random, NounPhrase(noun, "def" if plural or random.random() < 0.75 else "indef", plural))


def _with_adjective(random: Random, phrase: NounPhrase) -> NounPhrase:
    fitting = lexicon().adjectives_of(phrase.noun)
    if fitting is None or random.random() > 0.2:
        return phrase
    adjective = fitting.draw(random)
    if adjective.german == "nächste" and phrase.kind != "def":
        return phrase
    return NounPhrase(phrase.noun, phrase.kind, phrase.plural, adjective, phrase.count, phrase.owner)


def _speaker(random: Random) -> str:
    return ("1s", "1s", "1p", "2s")[random.randrange(4)]


def _owner(random: Random, subject: Phrase) -> str:
    """Whose a thing is: the subject's, where German then leaves no doubt, or else the speaker's."""
    if subject.person == "3n" or (isinstance(subject, NounPhrase) and subject.person == "3p"):
        return _speaker(random)
    return subject.person if random.random() < 0.75 else "1s"
