"""Writing systems, as far as counting goes: whether words have spaces between them, and texts cut short."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import groupby

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
KANA = re.compile(r"[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9d]")
HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")
_OTHERS = re.compile(r"[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Tibetan, Burmese and Khmer."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = 120


def shortened(text: str) -> str:
    """A text in quotation marks for a message, without its middle where it is long."""
    return _SHORT.repr(text)


def share(script: re.Pattern[str], texts: Iterable[str]) -> float:
    """Share of a script's characters among all that are no spaces, in [0, 1]."""
    whole = "".join(texts)
    return len(script.findall(whole)) / max(1, len(re.sub(r"\s", "", whole)))


def is_spaced(texts: Iterable[str]) -> bool:
    """Whether words stand apart: no more than half of the characters are of a script that leaves no spaces."""
    known = list(texts)
    return sum(share(script, known) for script in (HAN, KANA, _OTHERS)) <= 0.5


def words(text: str, *, spaced: bool) -> list[str]:
    """The words of a text, or where they do not stand apart, its characters."""
    return text.split() if spaced else [character for character in text if not character.isspace()]


def words_and_signs(text: str) -> list[str]:
    """The words and numbers of a text, and each of its other signs by itself."""
    return _words(r"\w", r"|[^\w\s]").findall(text)


def letter_words(text: str) -> list[str]:
    """The words of a text, without its digits and other signs."""
    return _words(r"[^\W\d_]").findall(text)


@cache
def _words(letters: str, others: str = "") -> re.Pattern[str]:
    """Words of these letters with the combining marks that ``re`` takes for none; made where it is asked for.

    Vowels of Indic scripts are such marks, and so are accents that are apart from their letters. Joiners, which decide
    on a letter's form, belong to a word where it goes on behind them.
    """
    # All of them come behind the Latin letters: a look at that alone is what most words cost.
    marks = rf"(?=[\u0300-\U000e01ff])(?:[{_marks()}]|[\u200c\u200d](?={letters}))+"
    return re.compile(rf"{letters}+(?:{marks}{letters}*)*{others}")


def _marks() -> str:
    """The combining marks, as ranges in a set of characters; single ones make it slow."""
    codes = [*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)]
    known = enumerate(code for code in codes if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    runs = ([code for _, code in run] for _, run in groupby(known, key=lambda each: each[1] - each[0]))
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)
