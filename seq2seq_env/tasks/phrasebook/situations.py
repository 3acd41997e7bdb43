"""Clauses of everyday situations that need more than a verb's frame: prices, places, weather, age, time of day."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from seq2seq_env.tasks.phrasebook import german
from seq2seq_env.tasks.phrasebook.clause import Clause, Reading, Segments
from seq2seq_env.tasks.phrasebook.english import VerbForms, be, is_third, verb_groups
from seq2seq_env.tasks.phrasebook.grammar import Setting
from seq2seq_env.tasks.phrasebook.lexicon import Adjective, Noun, lexicon
from seq2seq_env.tasks.phrasebook.phrases import Adverbial, NounPhrase, Phrase, Pronoun
from seq2seq_env.tasks.phrasebook.quantities import (
    MINUTES_SPOKEN,
    day_of_month,
    number_words,
    price,
    spoken_time,
    weekday,
)
from seq2seq_env.tasks.phrasebook.sampling import draw_location, draw_relation, draw_subject

_COST = VerbForms("cost", "costs", "cost", "cost", "costing")
_TAKE = VerbForms("take", "takes", "took", "taken", "taking")
_LAST = VerbForms("last", "lasts", "lasted", "lasted", "lasting")
_HAVE = VerbForms("have", "has", "had", "had", "having")
_IT = Pronoun("3n")

_DEGREES = (("", ""), ("", ""), ("", ""), ("sehr", "very"), ("zu", "too"), ("ziemlich", "quite"))
_COMPLAINTS = (
    ("Kopfschmerzen", ("a headache",)),
    ("Fieber", ("a fever", "a temperature")),
    ("Husten", ("a cough",)),
    ("Hunger", ("",)),
    ("Durst", ("",)),
    ("Angst", ("",)),
    ("Rückenschmerzen", ("back pain", "a backache")),
    ("Zahnschmerzen", ("a toothache", "toothache")),
    ("Halsschmerzen", ("a sore throat",)),
)
_FEELINGS = {"Hunger": "hungry", "Durst": "thirsty", "Angst": "afraid"}
_WEATHER = (("regnet", "rain"), ("schneit", "snow"), ("hagelt", "hail"))
_CONDITIONS = (
    ("kalt", "cold"),
    ("warm", "warm"),
    ("windig", "windy"),
    ("sonnig", "sunny"),
    ("neblig", "foggy"),
    ("heiß", "hot"),
)
_SUBJECT_CLASSES = frozenset({"ware", "lodging", "dish", "clothing", "room", "device", "sight", "food", "event"})
_PRICED = frozenset({"ware", "clothing", "dish", "furniture", "machine", "drink"})
_PRICES: tuple[tuple[frozenset[str], tuple[int, int]], ...] = (
    (frozenset({"dish", "drink"}), (1, 30)),
    (frozenset({"reading", "parcel", "bulb"}), (3, 60)),
    (frozenset({"machine", "device"}), (60, 1_500)),
    (frozenset({"furniture"}), (40, 900)),
    (_PRICED, (10, 250)),
)
"""The first class that fits a thing, and what such things cost in euros."""
_FOUND_IN_TOWN = frozenset({"place"})


def predicate(random: Random, setting: Setting) -> Clause:
    """Somebody or something is how: "Das Zimmer ist zu klein"."""
    words = lexicon()
    subject = setting.subject
    if subject is None and random.random() < 0.4:
        subject = draw_subject(random, they=setting.they)
    if subject is None:
        noun = words.nouns_of(_SUBJECT_CLASSES).draw(random)
        while words.adjectives_of(noun) is None:
            noun = words.nouns_of(_SUBJECT_CLASSES).draw(random)
        subject = _definite(random, noun)
    adjective = _predicate_adjective(random, subject)
    degree_de, degree_en = _DEGREES[random.randrange(len(_DEGREES))] if adjective.german != "kaputt" else ("", "")
    past = setting.tense == "past" or (not setting.tense and random.random() < 0.3)
    nicht = setting.negatable and degree_de != "ziemlich" and random.random() < 0.15
    time = Adverbial("gestern", ("yesterday",), "past") if past and setting.timed and random.random() < 0.2 else None
    middle = _words("nicht" if nicht else "", degree_de, adjective.german)
    return _being(
        subject, past, time, middle, "not" if nicht else "", ((" ".join(_words(degree_en, adjective.english)),),)
    )


def _predicate_adjective(random: Random, subject: Phrase) -> Adjective:
    """What the subject can be; nobody is told to be old or famous, and nothing "is next"."""
    words = lexicon()
    is_person = not isinstance(subject, NounPhrase) or "person" in subject.noun.classes
    anybody = words.nouns_of(frozenset({"person"})).words[0]
    choices = words.adjectives_of(anybody if is_person or not isinstance(subject, NounPhrase) else subject.noun)
    assert choices is not None
    adjective = choices.draw(random)
    while adjective.german == "nächste" or (is_person and adjective.german in ("alt", "berühmt")):
        adjective = choices.draw(random)
    return adjective


def cost(random: Random, setting: Setting) -> Clause:
    """What something costs: "Der rote Mantel kostet 89,90 Euro"."""
    noun = lexicon().nouns_of(_PRICED).draw(random)
    count = random.randint(2, 12) if random.random() < 0.25 else 0
    subject = NounPhrase(noun, "count", True, count=count) if count else _definite(random, noun)
    euros = random.randint(*next(span for classes, span in _PRICES if noun.classes & classes))
    cents = random.choice((0, 0, 50, 90, 99, 95, 20, 80))
    de, en = price(euros * 100 + cents)
    return _measured(subject, "kosten", "kostet", _COST, de, (en,), setting, also_be=True)


def lasting(random: Random, setting: Setting) -> Clause:
    """How long something takes: "Die Reise dauert zwei Stunden"."""
    noun = lexicon().nouns_of(frozenset({"event"})).draw(random)
    unit_de, unit_en = (("Stunden", "hours"), ("Minuten", "minutes"), ("Tage", "days"))[random.randrange(3)]
    count = random.choice((20, 25, 30, 35, 40, 45, 50, 90)) if unit_en == "minutes" else random.randint(2, 12)
    de, en = f"{number_words(count, 'de')} {unit_de}", f"{number_words(count, 'en')} {unit_en}"
    return _measured(_definite(random, noun), "dauern", "dauert", _LAST, de, (en,), setting, synonym=_TAKE)


def existence(random: Random, setting: Setting) -> Clause:
    """What there is: "Neben dem Bahnhof gibt es eine Apotheke"."""
    noun = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    other = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    while other == noun:
        other = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    place = draw_relation(random, other) if random.random() < 0.7 else Adverbial("hier", ("here",))
    where = Adverbial(place.german, place.english)
    phrase = NounPhrase(noun, "no" if setting.negatable and random.random() < 0.2 else "indef")
    if phrase.kind == "no":
        readings = (
            Reading("is", "", "", ((phrase.object(),),)),
            *(Reading("is", "not", "", ((thing,),)) for thing in phrase.under_negation()),
        )
    else:
        readings = (Reading("is", "", "", ((phrase.object(),),)),)
    return Clause("es", "there", "gibt", (), where, (phrase.german("acc"),), "", "gibt", readings)


def whereabouts(random: Random, setting: Setting) -> Clause:
    """Where something is: "Die Bank ist neben dem Museum"."""
    noun = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    other = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    while other == noun:
        other = lexicon().nouns_of(_FOUND_IN_TOWN).draw(random)
    place = draw_relation(random, other)
    nicht = setting.negatable and random.random() < 0.15
    middle = _words("nicht" if nicht else "", place.german)
    tails = tuple((wording,) for wording in place.english)
    return _being(NounPhrase(noun), False, None, middle, "not" if nicht else "", tails)


def presence(random: Random, setting: Setting) -> Clause:
    """Where somebody is or was: "Meine Schwester war gestern im Museum"."""
    subject = setting.subject or draw_subject(random, they=setting.they)
    past = setting.tense == "past" or (not setting.tense and random.random() < 0.6)
    place = draw_location(random)
    day = weekday(random.randrange(7))
    times = (
        Adverbial("gestern", ("yesterday",), "past"),
        Adverbial(f"am {day[0]}", (f"on {day[1]}",), "past"),
        Adverbial("letzte Woche", ("last week",), "past"),
    )
    time = times[random.randrange(3)] if past and setting.timed and random.random() < 0.6 else None
    nicht = setting.negatable and random.random() < 0.15
    middle = _words("nicht" if nicht else "", place.german)
    return _being(subject, past, time, middle, "not" if nicht else "", tuple((w,) for w in place.english))


def complaint(random: Random, setting: Setting) -> Clause:
    """What hurts: "Mein Sohn hat Fieber"; hunger and thirst are adjectives in English."""
    subject = setting.subject or draw_subject(random, they=setting.they)
    noun, wordings = _COMPLAINTS[random.randrange(len(_COMPLAINTS))]
    past = setting.tense == "past" or (not setting.tense and random.random() < 0.25)
    person = subject.person
    form = (german.preterite if past else german.auxiliary)("haben", person)
    tails = tuple((wording,) for wording in wordings)
    if noun in _FEELINGS:
        readings: tuple[Reading, ...] = (Reading(be(person, past), "", "", ((_FEELINGS[noun],),)),)
    else:
        split = setting.question
        groups = verb_groups(
            _HAVE, person, "past" if past else "present", negated=False, question=split, progressive="never"
        )
        readings = tuple(Reading(auxiliary, "", rest, tails) for auxiliary, rest in groups)
    return Clause(subject.german("nom"), subject.subject(), form, (), None, (noun,), "", form, readings)


def weather(random: Random, setting: Setting) -> Clause:
    """The weather: "Es regnet", "gestern war es kalt"."""
    past = setting.tense == "past" or (not setting.tense and random.random() < 0.3)
    time = None
    if setting.timed and random.random() < 0.6:
        time = Adverbial("gestern", ("yesterday",)) if past else Adverbial("heute", ("today",))
    if past or random.random() < 0.5:
        de, en = _CONDITIONS[random.randrange(len(_CONDITIONS))]
        nicht = setting.negatable and random.random() < 0.2
        return _being(_IT, past, time, _words("nicht" if nicht else "", de), "not" if nicht else "", ((en,),))
    de, en = _WEATHER[random.randrange(len(_WEATHER))]
    plain = ("does", en) if setting.question else ("", en + "s")
    groups = (("is", en + "ing"), plain)
    readings = tuple(Reading(auxiliary, "", rest, ((),)) for auxiliary, rest in groups)
    return Clause("es", "it", de, (), time, (), "", de, readings if not setting.habitual else readings[::-1])


def age(random: Random, setting: Setting) -> Clause:
    """How old somebody is: "Meine Großmutter ist siebenundachtzig Jahre alt"."""
    subject = setting.subject or draw_subject(random, they=setting.they)
    count = random.randint(2, 99)
    number = number_words(count, "en")
    return _being(
        subject, False, None, (number_words(count, "de"), "Jahre", "alt"), "", ((f"{number} years old",), (number,))
    )


def now(random: Random, setting: Setting) -> Clause:
    """The time of day or the date: "Es ist halb vier", "heute ist der 3. Mai"."""
    if random.random() < 0.7:
        minute = MINUTES_SPOKEN[random.randrange(len(MINUTES_SPOKEN))]
        de, en = spoken_time(random.randint(1, 12), minute)
        word = ("schon", "already") if random.random() < 0.4 and not setting.question else ("", "")
        return _being(_IT, False, None, _words(word[0], de), word[1], ((en,),))
    de, en = day_of_month(random.randint(1, 12), random.randint(1, 28))
    adverb_de, adverb_en = ("heute", "today") if random.random() < 0.6 else ("morgen", "tomorrow")
    return Clause(adverb_de, adverb_en, "ist", (), None, (f"der {de}",), "", "ist", (Reading("is", "", "", ((en,),)),))


SITUATIONS: tuple[tuple[Callable[[Random, Setting], Clause], float], ...] = (
    (predicate, 8),
    (cost, 4),
    (presence, 3),
    (existence, 3),
    (whereabouts, 2),
    (complaint, 2),
    (lasting, 2),
    (weather, 2),
    (age, 2),
    (now, 2),
)
"""The builders with the weights they are drawn by."""


def _definite(random: Random, noun: Noun) -> NounPhrase:
    roll = random.random()
    plural = roll > 0.85 and noun.plural is not None
    return NounPhrase(noun, "this" if roll < 0.2 else "def", plural)


def _being(
    subject: Phrase, past: bool, time: Adverbial | None, middle: Segments, negation: str, tails: tuple[Segments, ...]
) -> Clause:
    """A clause around "sein"."""
    form = (german.preterite if past else german.auxiliary)("sein", subject.person)
    person = subject.english_person if isinstance(subject, NounPhrase) else subject.person
    reading = Reading(be(person, past), negation, "", tails)
    return Clause(subject.german("nom"), subject.subject(), form, (), time, middle, "", form, (reading,))


def _measured(
    subject: NounPhrase,
    infinitive: str,
    third: str,
    forms: VerbForms,
    amount_german: str,
    amounts: tuple[str, ...],
    setting: Setting,
    *,
    synonym: VerbForms | None = None,
    also_be: bool = False,
) -> Clause:
    """A clause around a verb of measure."""
    verb = infinitive if subject.plural else third
    person = subject.english_person
    readings = []
    for each in (forms, synonym) if synonym else (forms,):
        for auxiliary, rest in verb_groups(
            each, person, "present", negated=False, question=setting.question, progressive="never"
        ):
            readings.append(Reading(auxiliary, "", rest, tuple((amount,) for amount in amounts)))
    if also_be:
        readings.append(Reading("is" if is_third(person) else "are", "", "", tuple((amount,) for amount in amounts)))
    return Clause(subject.german("nom"), subject.subject(), verb, (), None, (amount_german,), "", verb, tuple(readings))


def _words(*words: str) -> Segments:
    return tuple(word for word in words if word)
