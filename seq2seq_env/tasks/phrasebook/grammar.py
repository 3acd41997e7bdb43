"""Draws clauses from the lexicon: who does what to whom, when, where, in which tense, with what negated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from seq2seq_env.tasks.phrasebook import german
from seq2seq_env.tasks.phrasebook.clause import Clause, Reading, Segments
from seq2seq_env.tasks.phrasebook.english import Group, VerbForms, liking_groups, verb_groups
from seq2seq_env.tasks.phrasebook.lexicon import Complement, Verb, join_prefix, lexicon
from seq2seq_env.tasks.phrasebook.phrases import Adverbial, NounPhrase, Phrase, Pronoun
from seq2seq_env.tasks.phrasebook.sampling import (
    draw_goal,
    draw_location,
    draw_object,
    draw_person,
    draw_subject,
    draw_thing,
    draw_time,
)

_SEPARABLE_PARTICLES = ("up", "on", "off", "in", "away", "along")
_ADVERBS = (("oft", "often"), ("immer", "always"), ("manchmal", "sometimes"), ("nie", "never"), ("selten", "rarely"))
_MODALS = ("können", "müssen", "möchten", "wollen", "dürfen", "sollen")
_PAST_MODALS = ("können", "müssen", "wollen", "dürfen")


@dataclass(frozen=True)
class Setting:
    """What the sentence around a clause asks of it.

    Attributes:
        question: English puts the auxiliary before the subject.
        tense: One of ``verb_groups``' tenses, or empty to draw one.
        timed: Whether the clause may say when.
        negatable: Whether it may be negated.
        perfect: Whether an English present perfect is right too, as it is not after "when".
        adverbs: Whether it may say how often.
        consequence: The main clause of an "if", which English puts in the future.
        habitual: Present without a progressive or future reading, as after "if".
        they: Whether the subject may be "sie" of the plural, which at the start of a sentence would read as "Sie".
        subject: The subject, or None to draw one.
        verb: The verb, or None to draw one.
    """

    question: bool = False
    tense: str = ""
    timed: bool = True
    negatable: bool = True
    perfect: bool = True
    adverbs: bool = True
    consequence: bool = False
    habitual: bool = False
    they: bool = False
    subject: Phrase | None = None
    verb: Verb | None = None


def action(random: Random, setting: Setting) -> Clause:
    """A clause around a lexicon verb."""
    subject, verb = _subject_and_verb(random, setting)
    tense = setting.tense or _tense(random, verb, subject)
    if verb.aspect == "state" and tense != "past":
        tense = "present"
    time = draw_time(random, _time_kind(random, verb, tense, setting)) if setting.timed else None
    if not setting.tense and tense == "present" and not setting.habitual and _needs_future(verb, time):
        time = draw_time(random, "future") if setting.timed else None
        tense = tense if time else "past"
    adverb = ("", "")
    if (
        tense == "present"
        and time is None
        and verb.aspect == "action"
        and setting.adverbs
        and not setting.habitual
        and random.random() < 0.2
    ):
        adverb = _ADVERBS[random.randrange(len(_ADVERBS))]
    likes = (
        tense == "present"
        and not adverb[0]
        and not setting.habitual
        and not time
        and not is_thing(subject)
        and verb.aspect == "action"
        and random.random() < 0.12
    )
    negated = setting.negatable and not adverb[0] and random.random() < 0.2
    if likes:
        adverb = ("gern", "")
    complements = _complements(random, verb, subject)
    return _assemble(subject, verb, tense, time, adverb, complements, negated=negated, likes=likes, setting=setting)


def _subject_and_verb(random: Random, setting: Setting) -> tuple[Phrase, Verb]:
    words = lexicon()
    if setting.verb:
        verb = setting.verb
    elif setting.subject or random.random() < 0.82:
        verb = words.verbs_of_persons.draw(random)
    else:
        verb = words.verbs_of_things.draw(random)
    if setting.subject:
        return setting.subject, verb
    if "person" in verb.subjects and not (verb.subjects & {"vehicle"} and random.random() < 0.5):
        return draw_subject(random, they=setting.they), verb
    return draw_thing(random, verb.subjects - {"person"}), verb


def is_thing(subject: Phrase) -> bool:
    """Whether the subject is a vehicle or an event, which follows a timetable and wants nothing."""
    return isinstance(subject, NounPhrase) and "person" not in subject.noun.classes


def _tense(random: Random, verb: Verb, subject: Phrase) -> str:
    roll = random.random()
    if is_thing(subject):
        return "present" if roll < 0.6 else "past"
    if verb.aspect == "state":
        return "present" if roll < 0.7 else "past"
    if roll < 0.36:
        return "present"
    if roll < 0.62:
        return "past"
    if roll < 0.84:
        return _MODALS[random.randrange(len(_MODALS))]
    if roll < 0.93:
        return _PAST_MODALS[random.randrange(len(_PAST_MODALS))] + "-past"
    return "future"


def _time_kind(random: Random, verb: Verb, tense: str, setting: Setting) -> str:
    """What sort of time goes with the tense; empty for none."""
    roll = random.random()
    if setting.habitual or verb.aspect == "state":
        return "past" if tense == "past" and roll < 0.3 else ""
    if tense.startswith("past") or tense.endswith("-past"):
        return "past" if roll < 0.5 else ""
    if tense == "present" and verb.aspect == "action":
        return "future" if roll < 0.35 else "now" if roll < 0.5 else ""
    return "future" if roll < 0.5 else ""


def _needs_future(verb: Verb, time: Adverbial | None) -> bool:
    """Events are told of the past or the future: nobody is just now losing a key."""
    return verb.aspect in ("event", "drop") and time is None


@dataclass(frozen=True)
class _Filled:
    """A complement with what fills it."""

    place: Complement
    phrase: Phrase | None = None
    adverbial: Adverbial | None = None


def _complements(random: Random, verb: Verb, subject: Phrase) -> list[_Filled]:
    filled = []
    for place in verb.frame:
        if place.kind in ("dir", "city"):
            filled.append(_Filled(place, adverbial=draw_goal(random, verb, city_only=place.kind == "city")))
        elif place.kind == "loc":
            filled.append(_Filled(place, adverbial=draw_location(random)))
        elif "person" in place.classes and (place.classes == {"person"} or random.random() < 0.5):
            accusative = place.kind == "acc" or place.preposition[1] == "acc"
            filled.append(_Filled(place, draw_person(random, subject, accusative=accusative)))
        else:
            classes = place.classes - {"person"}
            filled.append(_Filled(place, draw_object(random, classes, subject)))
    if verb.aspect == "action" and verb.frame and verb.frame[-1].kind == "acc" and random.random() < 0.12:
        filled.append(_Filled(Complement("loc"), adverbial=draw_location(random, cities=False)))
    return filled


def _assemble(
    subject: Phrase,
    verb: Verb,
    tense: str,
    time: Adverbial | None,
    adverb: tuple[str, str],
    complements: list[_Filled],
    *,
    negated: bool,
    likes: bool,
    setting: Setting,
) -> Clause:
    empty_article = _index_of_negatable(complements) if negated and not likes else None
    if empty_article is not None:
        item = complements[empty_article]
        assert isinstance(item.phrase, NounPhrase)
        complements[empty_article] = replace(item, phrase=replace(item.phrase, kind="no"))
    elif (
        negated
        and not likes
        and any(isinstance(item.phrase, NounPhrase) and not item.phrase.definite for item in complements)
    ):
        negated = False
    pronouns, middle = _german_field(complements, adverb[0], nicht=negated and empty_article is None)
    person = subject.english_person if isinstance(subject, NounPhrase) else subject.person
    finite, closing, final = german_verbs(verb, tense, subject.person)
    progressive = _progressive(subject, verb, time, adverb, setting)
    english_tense = "perfect" if tense == "past" and time is None and setting.perfect else tense

    def groups(negative: bool) -> tuple[Group, ...]:
        forms = VerbForms.of(verb)
        if _separable(verb, complements):
            forms = replace(forms, particle="")
        asked = setting.question
        if adverb[1] == "never":
            negative = False
        if likes:
            return liking_groups(forms, person, negated=negative, question=asked)
        return verb_groups(forms, person, english_tense, negated=negative, question=asked, progressive=progressive)

    tails = _tails(verb, complements, under_negation=empty_article is not None)
    readings = [Reading(auxiliary, "not" if negated else adverb[1], rest, tails) for auxiliary, rest in groups(negated)]
    if empty_article is not None:
        plain = _tails(verb, complements, under_negation=False)
        readings += [Reading(auxiliary, "", rest, plain) for auxiliary, rest in groups(False)]
    return Clause(
        subject.german("nom"), subject.subject(), finite, pronouns, time, middle, closing, final, tuple(readings)
    )


def _index_of_negatable(complements: list[_Filled]) -> int | None:
    """The direct object that "kein" can negate."""
    for index, item in enumerate(complements):
        phrase = item.phrase
        if item.place.kind == "acc" and isinstance(phrase, NounPhrase) and phrase.kind in ("indef", "none"):
            return index
    return None


def _progressive(subject: Phrase, verb: Verb, time: Adverbial | None, adverb: tuple[str, str], setting: Setting) -> str:
    if verb.aspect == "state" or adverb[1] or setting.habitual:
        return "never"
    if setting.consequence:
        return "future"
    if is_thing(subject):
        return "also"
    return "future" if time and time.kind == "future" else "first"


def _german_field(complements: list[_Filled], adverb: str, *, nicht: bool) -> tuple[Segments, Segments]:
    """Unstressed pronouns first; then dative before accusative, "nicht", and what belongs closest to the verb."""
    pronouns: list[str] = []
    objects: list[str] = []
    close: list[str] = []
    for item in sorted(complements, key=lambda item: item.place.kind == "acc"):
        kind, phrase = item.place.kind, item.phrase
        if item.adverbial:
            close.append(item.adverbial.german)
        elif phrase and kind == "prep":
            word, case = item.place.preposition
            close.append(contracted(f"{word} {phrase.german(case)}"))
        elif phrase:
            case = "acc" if kind == "acc" else "dat"
            (pronouns if isinstance(phrase, Pronoun) else objects).append(phrase.german(case))
    definite = [item.phrase.definite for item in complements if item.phrase and item.place.kind == "acc"]
    particles = [word for word in ("nicht" if nicht else "", adverb) if word]
    middle = [*objects, *particles] if not adverb or (all(definite) and definite) else [*particles, *objects]
    return tuple(pronouns), (*middle, *close)


def contracted(text: str) -> str:
    """Preposition and article as one word: "an dem" is "am"."""
    for full, short in (("an dem ", "am "), ("von dem ", "vom "), ("an das ", "ans "), ("zu dem ", "zum ")):
        if text.startswith(full):
            return short + text[len(full) :]
    return text


def german_verbs(verb: Verb, tense: str, person: str) -> tuple[str, str, str]:
    """Finite verb, closing part, and both as a subordinate clause ends."""
    if tense == "present":
        form = german.present(verb, person)
        return form, verb.prefix, join_prefix(verb.prefix, form)
    if tense in ("past", "perfect"):
        finite, closing = german.auxiliary(verb.auxiliary, person), verb.participle
    elif tense == "future":
        finite, closing = german.auxiliary("werden", person), verb.infinitive
    elif tense.endswith("-past"):
        finite, closing = german.preterite(tense.removesuffix("-past"), person), verb.infinitive
    else:
        finite, closing = german.auxiliary(tense, person), verb.infinitive
    return finite, closing, f"{closing} {finite}"


def _separable(verb: Verb, complements: list[_Filled]) -> bool:
    """Whether the English particle can stand behind the object: "pick the parcel up"."""
    return verb.particle in _SEPARABLE_PARTICLES and any(item.place.kind == "acc" for item in complements)


def _tails(verb: Verb, complements: list[_Filled], *, under_negation: bool) -> tuple[Segments, ...]:
    """English complements in every right order and wording."""
    direct: tuple[str, ...] = ()
    indirect = ""
    others: list[Segments] = [()]
    alternatives: list[Segments] = [()]
    for item in complements:
        kind, phrase = item.place.kind, item.phrase
        if item.adverbial:
            others = [(*before, wording) for before in others for wording in item.adverbial.english]
        elif phrase and kind == "acc":
            negative = under_negation and isinstance(phrase, NounPhrase) and phrase.kind == "no"
            direct = phrase.under_negation() if negative and isinstance(phrase, NounPhrase) else _wordings(phrase)
        elif phrase and kind == "prep":
            things = _wordings(phrase) if item.place.preposition[1] == "acc" else (phrase.object(),)
            others = [(*before, f"{item.place.english} {thing}") for before in others for thing in things]
        elif phrase and kind in ("to", "todat"):
            others = [(*before, f"to {phrase.object()}") for before in others]
        elif phrase:
            indirect = phrase.object()
    if direct:
        alternatives = [segments for thing in direct for segments in _objects(verb, thing, indirect, complements)]
    elif indirect:
        alternatives = [(indirect,)]
    return tuple((*first, *second) for first in alternatives for second in others)


def _wordings(phrase: Phrase) -> tuple[str, ...]:
    """English of an accusative; "sie" can be one woman or several people."""
    if isinstance(phrase, Pronoun) and phrase.person == "3f":
        return ("her", "them")
    return (phrase.object(),)


def _objects(verb: Verb, thing: str, indirect: str, complements: list[_Filled]) -> list[Segments]:
    if indirect:
        return [(indirect, thing), (thing, f"to {indirect}")]
    if _separable(verb, complements):
        if any(isinstance(item.phrase, Pronoun) for item in complements):
            return [(thing, verb.particle)]
        return [(verb.particle, thing), (thing, verb.particle)]
    return [(thing,)]
