from __future__ import annotations

import unicodedata

import pytest

from seq2seq_env.writing import is_spaced, letter_words, shortened, words, words_and_signs


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("Das Haus ist rot.", True),
        ("Москва большая", True),
        ("", True),
        ("저는 사과를 먹었습니다.", True),
        ("我昨天在市场买了七个苹果。", False),
        ("昨日、市場でりんごを買いました。", False),
        ("ฉันกินข้าว", False),
        ("我用 Python 写程序很多年了。", False),
    ],
)
def test_which_scripts_leave_spaces_between_words(text: str, spaced: bool) -> None:
    assert is_spaced([text]) is spaced


def test_words_or_characters() -> None:
    assert words(" a bc ", spaced=True) == ["a", "bc"]
    assert words("我 吃饭", spaced=False) == ["我", "吃", "饭"]


def test_marks_and_joiners_are_inside_words() -> None:
    assert words_and_signs("वह हिन्दी पढ़ती है।") == ["वह", "हिन्दी", "पढ़ती", "है", "।"]
    assert words_and_signs("ರಾಜ್\u200cಕುಮಾರ್ ರಾಜ್\u200c!") == ["ರಾಜ್\u200cಕುಮಾರ್", "ರಾಜ್", "\u200c", "!"]
    for text in ("größere Männer", unicodedata.normalize("NFD", "größere Männer")):
        assert words_and_signs(text) == letter_words(text) == text.split()
    assert letter_words("हिन्दी, 12 ab_c") == ["हिन्दी", "ab", "c"]
    assert words_and_signs("It's 1.5 km, ❤️") == ["It", "'", "s", "1", ".", "5", "km", ",", "❤", "\ufe0f"]


def test_a_long_text_loses_its_middle() -> None:
    assert shortened("ä 'b'") == repr("ä 'b'")
    assert len(shortened("Wort " * 10_000)) <= 120
