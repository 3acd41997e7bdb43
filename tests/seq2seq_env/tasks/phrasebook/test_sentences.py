"""Word order, homonyms and extent of the sentences that the grammar draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random

import pytest

from seq2seq_env.tasks.phrasebook import sampling
from seq2seq_env.tasks.phrasebook.clause import Clause, Reading
from seq2seq_env.tasks.phrasebook.grammar import Setting, action
from seq2seq_env.tasks.phrasebook.lexicon import Verb, lexicon
from seq2seq_env.tasks.phrasebook.phrases import Adverbial, Named, NounPhrase, Pronoun
from seq2seq_env.tasks.phrasebook.quantities import number_words
from seq2seq_env.tasks.phrasebook.sentence import Sentence, surface
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence
from seq2seq_env.tasks.phrasebook.task import MAX_WORDS, MIN_WORDS


def verb(infinitive: str, base: str = "") -> Verb:
    return next(v for v in lexicon().verbs if v.infinitive == infinitive and base in ("", v.english[0]))


@cache
def drawn(number: int, seed: int = 0) -> tuple[Sentence, ...]:
    random = Random(seed)
    return tuple(draw_sentence(random) for _ in range(number))


TRAIN = Clause(
    "der Zug",
    "the train",
    "fährt",
    (),
    Adverbial("morgen", ("tomorrow",), "future"),
    ("nicht",),
    "ab",
    "abfährt",
    (Reading("will", "not", "leave", ((),)), Reading("does", "not", "leave", ((),))),
)


def test_german_word_order() -> None:
    assert TRAIN.verb_second() == "der Zug fährt morgen nicht ab"
    assert TRAIN.verb_second(time_first=True) == "morgen fährt der Zug nicht ab"
    assert TRAIN.verb_first() == "fährt der Zug morgen nicht ab"
    assert TRAIN.verb_last() == "der Zug morgen nicht abfährt"


def test_english_word_order() -> None:
    assert [" ".join(s) for s in TRAIN.statements()] == [
        "the train will not leave tomorrow",
        "tomorrow the train will not leave",
        "the train does not leave tomorrow",
        "tomorrow the train does not leave",
    ]
    assert " ".join(next(TRAIN.statements(time_first=True))) == "tomorrow the train will not leave"
    assert len(list(TRAIN.statements(frontable=False))) == 2
    assert [" ".join(s) for s in TRAIN.questions("why")] == [
        "why will the train not leave tomorrow",
        "why does the train not leave tomorrow",
    ]


@pytest.mark.parametrize(
    ("tense", "second", "closing", "last"),
    [
        ("present", "hole", "ab", "abhole"),
        ("past", "habe", "abgeholt", "abgeholt habe"),
        ("future", "werde", "abholen", "abholen werde"),
        ("müssen", "muss", "abholen", "abholen muss"),
        ("wollen-past", "wollte", "abholen", "abholen wollte"),
    ],
)
def test_drawn_clauses_keep_the_verbal_bracket(tense: str, second: str, closing: str, last: str) -> None:
    for seed in range(40):
        clause = action(Random(seed), Setting(subject=Pronoun("1s"), verb=verb("abholen"), tense=tense))
        assert clause.verb_second().startswith(f"ich {second} ")
        assert clause.verb_second().endswith(f" {closing}")
        assert clause.verb_first().startswith(f"{second} ich ")
        assert clause.verb_last().endswith(f" {last}")
        if clause.time:
            assert clause.verb_second(time_first=True).startswith(f"{clause.time.german} {second} ich ")


def test_subordinate_clauses_end_with_their_finite_verb() -> None:
    finite = re.compile(r", (?:dass|ob|weil|obwohl) [^,]* (\w+)[.?]$")
    ends = [found[1] for s in drawn(6_000)[:1_500] if (found := finite.search(s.german))]
    assert len(ends) > 150
    nouns = {n.german for n in lexicon().nouns} | {n.plural for n in lexicon().nouns}
    assert all(end[0].islower() and end not in nouns for end in ends)


def test_purposes_have_zu_before_or_inside_the_infinitive() -> None:
    purposes = [s.german for s in drawn(6_000)[:3_000] if ", um " in s.german]
    assert len(purposes) > 50
    assert all(re.search(r" (?:zu \w+|\w+zu\w+)n\.$", text) for text in purposes)
    assert any(re.search(r" (?:ab|auf|an|aus|ein)zu\w+n\.$", text) for text in purposes)


def english_of(german_noun: str, infinitive: str, base: str) -> set[str]:
    """English nouns that a German noun stands for as the object of a verb."""
    classes = verb(infinitive, base).frame[-1].classes
    return {noun.english for noun in lexicon().nouns_of(classes).words if noun.german == german_noun}


@pytest.mark.parametrize(
    ("german_noun", "infinitive", "base", "english"),
    [
        ("Birne", "essen", "eat", "pear"),
        ("Birne", "wechseln", "replace", "light bulb"),
        ("Schloss", "besichtigen", "visit", "castle"),
        ("Schloss", "reparieren", "repair", "lock"),
        ("Bank", "streichen", "paint", "bench"),
        ("Decke", "streichen", "paint", "ceiling"),
        ("Decke", "waschen", "wash", "blanket"),
        ("Gericht", "kochen", "cook", "dish"),
        ("Hahn", "füttern", "feed", "rooster"),
        ("Hahn", "zudrehen", "turn", "tap"),
        ("Karte", "schreiben", "write", "card"),
        ("Karte", "falten", "fold", "map"),
        ("Schalter", "drücken", "press", "switch"),
    ],
)
def test_the_verb_decides_what_a_homonym_means(german_noun: str, infinitive: str, base: str, english: str) -> None:
    assert english_of(german_noun, infinitive, base) == {english}


def test_no_verb_leaves_a_homonym_of_one_gender_open() -> None:
    for each in lexicon().verbs:
        for place in each.frame:
            words = lexicon().nouns_of(place.classes).words if place.classes else ()
            meanings: dict[tuple[str, str], set[str]] = {}
            for noun in words:
                meanings.setdefault((noun.german, noun.gender), set()).add(noun.english)
            assert all(len(english) == 1 for english in meanings.values()), (each.infinitive, place.kind)


def test_the_object_decides_what_a_verb_means() -> None:
    for infinitive, first, second in (("aufgeben", "post", "give"), ("einstellen", "hire", "adjust")):
        one, two = (verb(infinitive, base).frame[-1].classes for base in (first, second))
        objects = [{noun.german for noun in lexicon().nouns_of(classes).words} for classes in (one, two)]
        assert objects[0]
        assert objects[1]
        assert not objects[0] & objects[1]


def test_a_bank_stands_in_town_and_a_bench_is_painted() -> None:
    sentences = drawn(6_000)
    banks = [s for s in sentences if re.search(r"\bBank\b", s.german)]
    assert len(banks) > 30
    for sentence in banks:
        bench = re.search(r"(?i)\b(?:streich|gestrichen)", sentence.german) is not None
        assert bench or "bank" in sentence.reference, sentence.german


def test_kein_is_not_a_and_no() -> None:
    eaten = {n.german: n.english for n in lexicon().nouns_of(verb("essen").frame[0].classes).words if n.english_plural}
    checked = 0
    for seed in range(400):
        clause = action(Random(seed), Setting(subject=Pronoun("1s"), verb=verb("essen"), tense="past", timed=False))
        found = re.fullmatch(r"ich habe keine?n? (\w+) gegessen", clause.verb_second())
        if found and found[1] in eaten and "any" not in str(clause.readings):
            noun = eaten[found[1]]
            some = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
            assert [" ".join(part for part in segments if part) for segments in clause.statements()] == [
                f"I did not eat {some}",
                f"I have not eaten {some}",
                f"I ate no {noun}",
                f"I have eaten no {noun}",
            ]
            checked += 1
    assert checked > 5


def test_written_english_contracts_and_capitalises() -> None:
    write: Callable[..., str] = surface
    assert write(("I am", "not", "hungry"), ".", contracted=True) == "I'm not hungry."
    assert write(("she", "can not", "come"), ".", contracted=False) == "She cannot come."
    assert write(("she", "can not", "come"), ".", contracted=True) == "She can't come."
    assert write(("we", "will not", "come at", "3:30 p.m."), ".", contracted=True) == "We won't come at 3:30 p.m."
    assert write(("if", "it rains", ",", "he would like to", "stay"), "?", contracted=True) == (
        "If it rains, he'd like to stay?"
    )


def test_every_drawn_sentence_is_well_formed() -> None:
    for sentence in drawn(2_000, seed=4):
        for text in (sentence.german, sentence.reference):
            assert text[0].isupper() or text[0].isdigit()
            assert text.endswith(sentence.mark)
            assert "  " not in text
            assert " ," not in text
        assert sentence.reference == surface(
            next(iter(sentence.wordings())), sentence.mark, contracted=sentence.contracted
        )


def test_there_are_over_a_hundred_million_sentences() -> None:
    """Of "Anna hat gestern dem Kunden das rote Hemd gegeben" alone: subject x time x recipient x object."""
    give = verb("geben")
    subjects = {name.german for name in lexicon().names.words}
    times = {time.german for time in sampling._PAST}
    times |= {f"vor {number_words(n, 'de')} {unit}" for n in range(2, 13) for unit, _ in sampling._UNITS}
    recipients = set()
    for noun in lexicon().nouns_of(frozenset({"person"})).words:
        kind = "poss" if "own" in noun.classes else "def"
        adjectives = lexicon().adjectives_of(noun)
        choices = [None, *(adjectives.words if adjectives and kind == "def" else ())]
        recipients |= {NounPhrase(noun, kind, False, adjective).german("dat") for adjective in choices}
    objects = set()
    for noun in lexicon().nouns_of(give.frame[-1].classes).words:
        adjectives = lexicon().adjectives_of(noun)
        for adjective in (None, *(adjectives.words if adjectives else ())):
            if adjective is None or adjective.german != "nächste":
                for kind in ("def", "indef", "this"):
                    objects.add(NounPhrase(noun, kind, False, adjective).german("acc"))
    assert len(subjects) * len(times) * len(recipients) * len(objects) > 10**8

    matched = 0
    pattern = re.compile(r"(?P<subject>.+?) hat (?P<time>.+?) (?P<recipient>(?:dem|der|meine[mr]) .+?) (?P<object>.+)")
    for seed in range(600):
        subject = Named(lexicon().names.draw(Random(seed)))
        clause = action(Random(seed), Setting(subject=subject, verb=give, tense="past", negatable=False))
        text = clause.verb_second().removesuffix(" gegeben")
        if not clause.time or len(clause.middle) != 2:
            continue
        recipient, thing = clause.middle
        if recipient in recipients and thing in objects:
            assert clause.time.german in times
            assert text == f"{subject.german('nom')} hat {clause.time.german} {recipient} {thing}"
            assert pattern.fullmatch(text)
            assert MIN_WORDS <= len(text.split()) + 1 <= MAX_WORDS
            matched += 1
    assert matched > 20


def test_sie_at_the_start_is_never_they() -> None:
    starts = [s.reference for s in drawn(3_000, seed=8) if s.german.startswith("Sie ") and s.mark == "."]
    assert len(starts) > 100
    for reference in starts:
        pronoun = re.search(r"\b(she|you|they)\b", reference.lower())
        assert pronoun
        assert pronoun[1] != "they"
