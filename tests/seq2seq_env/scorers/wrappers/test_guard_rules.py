"""What guards measure, worked out by hand in several writing systems."""

from __future__ import annotations

import math
import sys

import pytest

from seq2seq_env.scorers.wrappers.guard_rules import (
    changed_numbers,
    copied_share,
    is_empty,
    known_languages,
    likeliest_language,
    log_length_ratio,
    numbers,
    other_language,
    repeated_units,
)


@pytest.mark.parametrize(("text", "empty"), [("", True), (" \n", True), ("?!…", True), ("7", False), ("水", False)])
def test_a_text_without_letters_and_digits_is_empty(text: str, empty: bool) -> None:
    assert is_empty(text) is empty


def test_lengths_are_in_characters_without_spaces() -> None:
    assert log_length_ratio("ab c", "abcd efg") == pytest.approx(math.log(8 / 4))
    assert log_length_ratio("", "") == 0.0
    assert log_length_ratio("水を飲む", "water") == pytest.approx(math.log(6 / 5))


@pytest.mark.parametrize(
    ("source", "hypothesis", "share"),
    [
        ("Guten Morgen, Anna!", "guten  morgen, anna!", 1.0),
        ("abcdefgh", "abcdefxyz", 2 / 5),  # abcde and bcdef of five
        ("Nein", "nein", 1.0),
        ("Nein", "No", 0.0),
        ("猫が水を飲む。", "The cat drinks.", 0.0),
    ],
)
def test_a_copy_shares_runs_of_characters(source: str, hypothesis: str, share: float) -> None:
    assert copied_share(source, hypothesis) == pytest.approx(share)


@pytest.mark.parametrize(
    ("source", "hypothesis", "units"),
    [
        ("x", "the the the cat", 2),
        ("x", "a red bus a red bus stops", 3),
        ("x", "a red bus and a red bus", 1),  # not at once: one phrase of three words again
        ("Nein, nein, nein!", "No, no, no!", 0),
        ("x", "very good", 0),
        ("x", "猫が猫が", 2),  # no spaces: characters
        ("x", "", 0),
    ],
)
def test_repetition_is_counted_beyond_the_sources_own(source: str, hypothesis: str, units: int) -> None:
    assert repeated_units(source, hypothesis) == units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.000 und 1,000 und 1 000", ["1000", "1000", "1", "0"]),
        ("143,20 Euro", ["143", "20"]),
        ("Um 14:30 Uhr", ["2", "30"]),
        ("um 15.40 Uhr und 18:00", ["3", "40", "6"]),
        ("27:30", ["27", "30"]),  # no hour
        ("Kapitel 13 am Ende", ["13"]),
        ("at 02:30", ["2", "30"]),
        ("am 05.", ["5"]),
        ("٢٣ كتابا", ["23"]),
        ("２３冊", ["23"]),
        ("twelve", []),
    ],
)
def test_numbers_are_read_in_all_digits(text: str, expected: list[str]) -> None:
    assert numbers(text) == expected


def test_numbers_of_any_length_and_script_are_equal_but_for_leading_zeros() -> None:
    many = "7" * 5_000
    arabic = many.replace("7", "\N{ARABIC-INDIC DIGIT SEVEN}")
    assert numbers(f"00{many} 000") == [many, "0"]
    assert changed_numbers(f"0{many}", arabic) == 0
    assert changed_numbers(many, many + "7") == 1


@pytest.mark.parametrize(
    ("source", "hypothesis", "changed"),
    [
        ("Es kostet 143,20 Euro.", "It costs €143.20.", 0),
        ("Es kostet 143,20 Euro.", "It costs €134.20.", 1),
        ("Um 13:25 am 19. Mai", "At 1:25 p.m. on May 19", 0),
        ("3 und 4", "3", 1),
        ("drei", "3", 1),
        ("drei", "three", 0),
        ("三百 300", "300", 0),
        ("um 18:00 Uhr", "at 6 p.m.", 0),
        ("um 18:00 Uhr", "at 7 p.m.", 1),
        ("um 18:00 Uhr", "at 6:30 p.m.", 1),
        ("um 15.40 Uhr", "at 3:40 p.m.", 0),
        ("um 15.40 Uhr", "at 3:45 p.m.", 1),
        ("um 9.00 Uhr", "at 9 a. m.", 0),
        ("ab 20 Uhr", "from 8PM", 0),
        ("ab 20 Uhr", "from 8 o'clock", 0),
        ("à 15 heures", "at 3 p.m.", 0),
        ("à 15 heures", "at 4 p.m.", 1),
        ("um 12:00 Uhr", "at 12 noon", 0),
        ("13 Äpfel", "1 apple", 1),  # no hour, so not 12 more
        ("um 15 Uhr kamen 15 Leute", "at 3 p.m. 15 people came", 0),
        ("um 15 Uhr kamen 15 Leute", "at 3 p.m. 3 people came", 1),
        ("10 000 Plätze", "10,000 seats", 0),
        ("10,000 seats", "10 000 Plätze", 0),
        ("10 000 Plätze", "11,000 seats", 1),
        ("3 200-Euro-Scheine", "3 200 euro notes", 0),
        ("3 200-Euro-Scheine", "three 200 euro notes", 1),
    ],
)
def test_a_changed_number_is_lost_and_added_but_counts_once(source: str, hypothesis: str, changed: int) -> None:
    assert changed_numbers(source, hypothesis) == changed


GERMAN = ["Ich möchte morgen mit dem Zug nach Hamburg fahren.", "Der Kellner bringt uns heute das Essen nicht."]
ENGLISH = ["I would like to take the train to Hamburg tomorrow.", "The waiter does not bring us the food today."]


def test_languages_are_told_apart() -> None:
    pytest.importorskip("py3langid")
    assert likeliest_language(GERMAN) == ("de", 1.0)
    assert all(margin < 0 for margin in other_language(ENGLISH, "en"))
    assert all(margin > 0 for margin in other_language(GERMAN, "en"))
    assert {"de", "en", "zh", "tr"} <= set(known_languages())
    assert len(other_language(["", "\ud800"], "en")) == 2  # nothing, and half of a surrogate pair


def test_a_missing_identifier_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(ImportError, match=r"the guard 'language' needs py3langid, .*uv sync --extra langid"):
        known_languages()
