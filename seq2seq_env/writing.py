"""Writing systems, as far as counting goes: whether words have spaces between them, and texts cut short."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable

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
