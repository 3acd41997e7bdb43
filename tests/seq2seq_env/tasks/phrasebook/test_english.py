"""English verb groups and quantities against what a person would say."""

from __future__ import annotations

import pytest

from seq2seq_env.tasks.phrasebook import english
from seq2seq_env.tasks.phrasebook.english import VerbForms, liking_groups, third_person, verb_groups
from seq2seq_env.tasks.phrasebook.lexicon import lexicon
from seq2seq_env.tasks.phrasebook.quantities import (
    day_of_month,
    number_words,
    ordinal_words,
    price,
    spoken_time,
    weekday,
    written_time,
)


def forms(base: str, particle: str = "") -> VerbForms:
    return VerbForms.of(next(v for v in lexicon().verbs if (v.english[0], v.particle) == (base, particle)))


def said(
    tense: str, *, person: str = "3f", negated: bool = False, question: bool = False, ongoing: str = "first"
) -> str:
    """All groups for "buy", their parts joined, "not" where it goes."""
    groups = verb_groups(forms("buy"), person, tense, negated=negated, question=question, progressive=ongoing)
    parts = ((auxiliary, "not" if negated else "", rest) for auxiliary, rest in groups)
    return " / ".join(" ".join(part for part in each if part) for each in parts)


@pytest.mark.parametrize(
    ("tense", "positive", "negative"),
    [
        ("present", "is buying / buys", "is not buying / does not buy"),
        ("past", "bought", "did not buy"),
        ("perfect", "bought / has bought", "did not buy / has not bought"),
        ("future", "will buy / is going to buy", "will not buy / is not going to buy"),
        ("können", "can buy / is able to buy", "can not buy / is not able to buy"),
        ("können-past", "could buy / was able to buy", "could not buy / was not able to buy"),
        ("müssen", "has to buy / must buy / needs to buy", "does not have to buy / does not need to buy"),
        ("müssen-past", "had to buy", "did not have to buy"),
        ("wollen", "wants to buy", "does not want to buy"),
        ("wollen-past", "wanted to buy", "did not want to buy"),
        (
            "dürfen",
            "is allowed to buy / may buy / can buy",
            "is not allowed to buy / must not buy / may not buy / can not buy",
        ),
        ("dürfen-past", "was allowed to buy / could buy", "was not allowed to buy / could not buy"),
        ("sollen", "should buy / is supposed to buy", "should not buy / is not supposed to buy"),
        ("möchten", "would like to buy / wants to buy", "would not like to buy / does not want to buy"),
    ],
)
def test_groups_of_every_tense(tense: str, positive: str, negative: str) -> None:
    assert said(tense) == positive
    assert said(tense, negated=True) == negative


def test_must_not_forbids_and_need_not_excuses() -> None:
    assert "must" not in said("müssen", negated=True)
    assert "have to" not in said("dürfen", negated=True)


def test_a_present_may_be_plain_ongoing_or_to_come() -> None:
    assert said("present", ongoing="never") == "buys"
    assert said("present", ongoing="also") == "buys / is buying / will buy"
    assert said("present", ongoing="future") == "will buy / is buying / buys"


def test_questions_put_an_auxiliary_before_the_subject() -> None:
    assert [
        group[0] for group in verb_groups(forms("buy"), "2s", "past", negated=False, question=True, progressive="")
    ] == ["did"]
    assert said("müssen", person="1s", question=True) == "do have to buy / must buy / do need to buy"


@pytest.mark.parametrize(
    ("person", "finite"),
    [("1s", "am"), ("2s", "are"), ("3m", "is"), ("3n", "is"), ("1p", "are"), ("3p", "are"), ("formal", "are")],
)
def test_be_agrees(person: str, finite: str) -> None:
    assert english.be(person) == finite
    assert english.be(person, True) == ("was" if finite != "are" else "were")


def test_a_verb_of_two_words_keeps_its_particle() -> None:
    up = forms("get", "up")
    assert verb_groups(up, "1s", "perfect", negated=False, question=False, progressive="") == (
        ("", "got up"),
        ("have", "got up"),
    )
    assert verb_groups(up, "1s", "present", negated=False, question=False, progressive="first")[0] == (
        "am",
        "getting up",
    )


def test_be_cancelled_needs_no_do() -> None:
    cancelled = forms("be", "cancelled")
    groups = verb_groups(cancelled, "3m", "perfect", negated=True, question=False, progressive="")
    assert groups == (("was", "cancelled"), ("has", "been cancelled"))


def test_gern_is_liking() -> None:
    assert liking_groups(forms("read"), "3m", negated=False, question=False) == (
        ("", "likes to read"),
        ("", "likes reading"),
        ("", "enjoys reading"),
    )
    assert liking_groups(forms("read"), "1s", negated=True, question=False)[0] == ("do", "like to read")


def test_an_unknown_tense_is_refused() -> None:
    with pytest.raises(ValueError, match="no English for the tense 'pluperfect'"):
        said("pluperfect")


@pytest.mark.parametrize(
    ("base", "third"), [("go", "goes"), ("carry", "carries"), ("buy", "buys"), ("watch", "watches")]
)
def test_third_person(base: str, third: str) -> None:
    assert third_person(base) == third


def test_verb_forms_of_the_lexicon() -> None:
    table = {verb.english[0]: verb.english for verb in lexicon().verbs}
    assert table["forget"] == ("forget", "forgot", "forgotten", "forgetting")
    assert table["carry"] == ("carry", "carried", "carried", "carrying")
    assert table["arrive"] == ("arrive", "arrived", "arrived", "arriving")
    assert table["invite"] == ("invite", "invited", "invited", "inviting")


@pytest.mark.parametrize(
    ("hour", "minute", "de", "en"),
    [
        (3, 30, "halb vier", "half past three"),
        (12, 30, "halb eins", "half past twelve"),
        (1, 0, "ein Uhr", "one o'clock"),
        (8, 0, "acht Uhr", "eight o'clock"),
        (1, 15, "Viertel nach eins", "quarter past one"),
        (12, 45, "Viertel vor eins", "quarter to one"),
        (7, 20, "zwanzig nach sieben", "twenty past seven"),
        (11, 55, "fünf vor zwölf", "five to twelve"),
        (2, 40, "zwanzig vor drei", "twenty to three"),
    ],
)
def test_clock_times_as_spoken(hour: int, minute: int, de: str, en: str) -> None:
    assert spoken_time(hour, minute) == (de, en)


@pytest.mark.parametrize(
    ("hour", "minute", "de", "en"),
    [
        (15, 40, "15:40 Uhr", ("3:40 p.m.", "15:40")),
        (6, 5, "6:05 Uhr", ("6:05 a.m.", "6:05")),
        (12, 30, "12:30 Uhr", ("12:30 p.m.", "12:30")),
        (0, 0, "0:00 Uhr", ("12:00 a.m.", "0:00")),
    ],
)
def test_clock_times_as_written(hour: int, minute: int, de: str, en: tuple[str, str]) -> None:
    assert written_time(hour, minute) == (de, en)


def test_dates_days_prices_and_numbers() -> None:
    assert day_of_month(5, 3) == ("3. Mai", "May 3")
    assert day_of_month(2, 29) == ("29. Februar", "February 29")
    assert (weekday(0), weekday(6)) == (("Montag", "Monday"), ("Sonntag", "Sunday"))
    assert price(4750) == ("47,50 Euro", "€47.50")
    assert price(4700) == ("47 Euro", "€47")
    assert price(99) == ("0,99 Euro", "€0.99")
    assert [number_words(n, "de") for n in (1, 21, 30, 77)] == ["eins", "einundzwanzig", "dreißig", "siebenundsiebzig"]
    assert number_words(46, "en") == "forty-six"
    assert ordinal_words(22) == ("twenty-second", "22nd")
