"""Texts of anybody's as a page may show them: shortened, with control characters made visible, differences marked."""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher
from typing import NamedTuple

from seq2seq_env.writing import is_spaced

MOST_CHARACTERS = 600
"""Of a text that are shown; the rest is counted."""


class Piece(NamedTuple):
    """Part of a text, and whether the other text has it, too."""

    text: str
    same: bool


def shown(text: str, most: int | None = MOST_CHARACTERS) -> str:
    """A text on one line, not too long, with characters that show nothing, or turn the line around, by their numbers.

    Joiners that scripts need within words stay.

    Args:
        text: Of anybody's.
        most: Characters that are shown, the rest being counted; None shows all.
    """
    cut = text if most is None or len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"
    return "".join(map(_visible, " ".join(cut.split())))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and character not in "\u200c\u200d"
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def differences(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces: words, or characters where words have no spaces between them, that the other has or not."""
    spaced = is_spaced([before, after])
    one, other = (_units(text, spaced) for text in (before, after))
    pieces: tuple[list[Piece], list[Piece]] = [], []
    # Without a limit on common words: "the" is one in every sentence.
    for kind, start, end, other_start, other_end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        for place, units in ((0, one[start:end]), (1, other[other_start:other_end])):
            if units:
                pieces[place].append(Piece("".join(units), kind == "equal"))
    return pieces


def _units(text: str, spaced: bool) -> list[str]:
    """Words, each but the last with a space behind it, or characters."""
    if not spaced:
        return list(text)
    words = text.split(" ") if text else []
    return [f"{word} " for word in words[:-1]] + words[-1:]
