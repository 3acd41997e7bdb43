"""Texts as a page may show them."""

from __future__ import annotations

from experiments.reports.page.differences import MOST_CHARACTERS, Piece, differences, shown


def test_what_hides_or_turns_text_is_shown_by_its_number() -> None:
    assert shown("a\u202eb\u2066c\x00d\ud800") == "a⟨U+202E⟩b⟨U+2066⟩c⟨U+0000⟩d⟨U+D800⟩"
    assert shown("क\u200dष") == "क\u200dष"  # a joiner within a word
    assert shown(" a \n b\t") == "a b"


def test_long_texts_are_cut_and_counted() -> None:
    text = shown("x" * 10_000)
    assert text == "x" * MOST_CHARACTERS + " … (10,000 characters)"


def test_words_that_differ_are_marked_in_both() -> None:
    before, after = differences("the red bus stops", "the blue bus stops here")
    assert before == [Piece("the ", True), Piece("red ", False), Piece("bus ", True), Piece("stops", False)]
    assert after == [Piece("the ", True), Piece("blue ", False), Piece("bus ", True), Piece("stops here", False)]
    assert differences("same", "same") == ([Piece("same", True)], [Piece("same", True)])
    assert differences("", "new") == ([], [Piece("new", False)])


def test_without_spaces_characters_are_marked() -> None:
    before, after = differences("猫が水を飲む", "犬が水を飲む")
    assert before == [Piece("猫", False), Piece("が水を飲む", True)]
    assert after[0] == Piece("犬", False)
