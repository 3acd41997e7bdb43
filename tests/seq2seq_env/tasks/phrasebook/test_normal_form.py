"""What English can write in several ways has one normal form, and what differs in meaning has not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_env.tasks.phrasebook.normal_form import normal_form
from seq2seq_env.tasks.phrasebook.sentences import draw_sentence

ONE_FORM = {
    "at @3:30": (
        "at half past three|at half past 3|at 3:30|at three thirty|at three-thirty|at 3:30 a.m.|at 3:30am|at 3.30 a.m.|"
        "at thirty minutes past three|AT HALF PAST THREE!|at half three|at 3.30|at 3:30 o'clock|at 3:30 in the morning"
    ),
    "at @15:45": "at 3:45 p.m.|at 15:45|at 3:45 pm|at 3:45PM.|at 3.45 p.m.|at quarter to four p.m.|at 3:45 P.M.|"
    "at 15.45|at 3:45 p.m|at 15:45 hours|at 15:45h|at 3:45 in the afternoon|at a quarter before four in the afternoon",
    "at @3:45": "at quarter to four|at a quarter to four|at a quarter to 4|at 3:45|at three forty-five|at 15 to 4",
    "it is @12:45": "it is a quarter to one|it's 12:45|It's fifteen to one.",
    "at @3:10": "at ten past three|at ten minutes past three|at 10 past 3|at 10 minutes past three|at three ten|"
    "at ten after three|at ten past three o'clock",
    "at @17:00": "at 5 p.m.|at five p.m.|at 5pm|at 17:00|at 5:00 p.m.|at five o'clock p.m.",
    "at @5:00": "at five o'clock|at 5 o'clock|at 5:00|at 5 a.m.|at five o\N{RIGHT SINGLE QUOTATION MARK}clock",
    "at @0:30 @12:30": "at 12:30 a.m. 12:30 p.m.|at 0:30 12:30",
    "on @5-3": (
        "on May 3|on 3 May|on May 3rd|on May the third|on the third of May|on the 3rd of May|on 3rd May|on May third|"
        "on may 3|on may the 3rd"
    ),
    "on @12-21": "on December 21|on the twenty-first of December|on December twenty-first|on 21st December",
    "on @7-31": "on July 31|on the thirty-first of July|on 31 July",
    "on monday @5-3 at @9:05": "on Monday, May 3, at 9:05|on Monday May 3rd at five past nine",
    "costs @€47.50": (
        "costs €47.50|costs 47.50 euros|costs 47.50 euro|costs € 47.50|costs 47.50€|costs 47.50 EUR|costs EUR 47.50|"
        "costs 47 euros and 50 cents|costs forty-seven euros fifty cents|costs 47.5 euros|"
        "costs 47,50 euros|costs €47,50|costs forty-seven euros fifty|costs 47 euros 50"
    ),
    "costs @€47": "costs €47|costs 47 euros|costs forty-seven euros|costs €47.00|costs forty seven euro",
    "costs @€775": "costs €775|costs seven hundred and seventy-five euros|costs seven hundred seventy-five euros",
    "costs @€1200": (
        "costs €1,200|costs 1,200 euros|costs one thousand two hundred euros|costs a thousand two hundred euros"
    ),
    "costs @€1005.50": "costs €1,005.50|costs one thousand and five euros and fifty cents",
    "costs @€1": "costs €1|costs 1 euro|costs one euro|costs a euro",
    "the café": "the café|the cafe\N{COMBINING ACUTE ACCENT}",
    "46 eggs": "forty-six eggs|forty six eggs|46 eggs",
    "120 eggs": "one hundred and twenty eggs|a hundred and twenty eggs|one hundred twenty eggs|120 eggs",
    "100 and eggs": "a hundred and eggs|100 and eggs",
    "i do not know": "I don't know|I do not know.|i DON'T know!|I don\N{RIGHT SINGLE QUOTATION MARK}t know|"
    "I don`t know|I don\u00b4t know|I don\N{LEFT SINGLE QUOTATION MARK}t know\N{HORIZONTAL ELLIPSIS}|'I don't know'",
    "she can not come": "she can't come|she cannot come|she can not come|She cannot come.",
    "we will not come": "we won't come|we will not come",
    "i would like tea": "I'd like tea|I would like tea",
    "let us go": "let's go|let us go",
    "it is raining": "it's raining|it is raining",
    "he has bought it": "he's bought it|he has bought it",
    "he has not bought it": "he's not bought it|he hasn't bought it|he has not bought it",
    "he is not allowed to go": "he's not allowed to go|he isn't allowed to go",
    "we are at ms winter": (
        "we're at Ms Winter|we are at Mrs. Winter|we're at Mrs Winter|we are at Ms. Winter|we are at Miss Winter"
    ),
    "mr winter is 88 years old": "Mr. Winter is 88 years old|Mister Winter is 88-years-old",
    "the grey tyre": "the gray tire|the grey tyre",
    "if it rains we stay": (
        "If it rains, we stay.|if it rains we stay|if it rains \N{EN DASH} we stay|if it rains - we stay|"
        '"If it rains" we stay;|if it rains\N{EM DASH}we stay|(if it rains) we stay|\u201cIf it rains, we stay\u201d'
    ),
    "is it late ?": "Is it late?|is it late ?",
}


@pytest.mark.parametrize("form", ONE_FORM)
def test_all_spellings_have_one_form(form: str) -> None:
    for text in ONE_FORM[form].split("|"):
        assert " ".join(normal_form(text)) == form, text


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("at 3:30 p.m.", "at 3:30"),
        ("at 12:15 a.m.", "at 12:15 p.m."),
        ("at half past three", "at half past four"),
        ("at ten to three", "at ten past three"),
        ("on May 3", "on March 5"),
        ("costs €47.50", "costs €47.05"),
        ("costs €47.50", "costs 47.50"),
        ("forty eggs", "forty-one eggs"),
        ("you may go", "you might go"),
        ("I can't come", "I can come"),
        ("I go?", "I go."),
        ("a, , b", "a, b"),
        ("a -- b", "a b"),
        ("at the station:15 p.m.", "at the station 15 p.m."),
        ("costs 47,500 euros", "costs 47,50 euros"),
        ("at half three", "at half past two"),
    ],
)
def test_other_meanings_have_other_forms(one: str, two: str) -> None:
    assert normal_form(one) != normal_form(two)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("May I eat five apples?", "may i eat 5 apples ?"),
        ("you may read the letter", "you may read the letter"),
        ("she may not buy two", "she may not buy 2"),
        ("you may go on May 3", "you may go on @5-3"),
        ("on the third day", "on the third day"),
        ("we march in March", "we march in march"),
        ("one of the two", "one of the 2"),
        ("I am five", "i am 5"),
        ("he gave the eggs to four guests", "he gave the eggs to 4 guests"),
        ("half of the cake", "half of the cake"),
        ("I gave him the second", "i gave him the second"),
        ("three fifty euros", "3 @€50"),
        ("at 99:99", "at 99:99"),
        ("at 3:99", "at 3:99"),
        ("a thousand", "1000"),
        ("I have one, a hundred", "i have one 100"),
    ],
)
def test_words_that_only_look_like_quantities_stay_words(text: str, form: str) -> None:
    assert " ".join(normal_form(text)) == form


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_nothing_has_no_tokens(text: str) -> None:
    assert normal_form(text) == ()


@given(st.text(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_text_has_a_form_of_whole_tokens(text: str) -> None:
    assert all(token and not token.isspace() for token in normal_form(text))


@given(
    st.lists(
        st.sampled_from(
            [
                "at",
                "3",
                "3:30",
                "a.m.",
                "pm",
                "half",
                "quarter",
                "to",
                "past",
                "the",
                "of",
                "May",
                "3rd",
                "third",
                "twenty",
                "first",
                "€",
                "€4.5",
                "euros",
                "cents",
                "and",
                "one",
                "hundred",
                "a",
                "o'clock",
                "minutes",
                "1:2:3",
                "€1:30",
                "@",
                ":",
                ",",
                ".",
                "?",
                "!",
                "'",
            ]
        ),
        max_size=8,
    )
)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_order_of_quantity_words_has_a_form(words: list[str]) -> None:
    normal_form(" ".join(words))
    normal_form("".join(words))


def test_the_form_of_a_sentence_is_that_of_its_phrases_in_a_row() -> None:
    """The oracle prepares right wordings phrase by phrase but hypotheses as a whole."""
    random = Random(11)
    for _ in range(1_500):
        for segments in list(draw_sentence(random).wordings())[:6]:
            phrases = tuple(token for segment in segments if segment != "," for token in normal_form(segment))
            assert normal_form(" ".join(segments).replace(" ,", ",") + ".") == phrases
