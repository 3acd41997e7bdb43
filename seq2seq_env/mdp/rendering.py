"""Rendering of episodes as text, and as pictures of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from gymnasium import logger
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageFont import ImageFont

Frame = NDArray[np.uint8]
"""A picture, [H,W,3]; all are of one size, as a video wants them."""

_COLUMNS, _SOURCE_LINES, _HYPOTHESIS_LINES = 64, 5, 5
_LETTER_WIDTH, _LINE_HEIGHT, _MARGIN, _SCALE = 6, 14, 8, 2  # pixels of the font, which is drawn twice as large
_HEIGHT, _WIDTH = 184, 400  # before scaling, in multiples of 8: video codecs want multiples of 16 after it
_PLAIN = {
    **dict.fromkeys(map(ord, "\u201e\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u201a\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u2013\u2014"), "-"),
    ord("\u2026"): "...",
}
"""Quotation marks, dashes and the ellipsis, which most languages have and Latin-1 has not."""


def render(
    mode: str | None, sources: Iterable[str], hypotheses: Iterable[str], scores: Iterable[float]
) -> tuple[str, ...] | tuple[Frame, ...] | None:
    """What a person sees of n episodes; a score below 0 is none.

    Returned are texts in mode "ansi" and pictures in mode "rgb_array"; mode "human" prints.
    """
    if mode is None:
        logger.warn("render() shows nothing without a render mode; make it with render_mode='ansi'")
        return None
    if mode == "rgb_array":
        return tuple(map(_frame, sources, hypotheses, scores))
    texts = tuple(map(_text, sources, hypotheses, scores))
    if mode == "ansi":
        return texts
    print(*texts, sep="\n", flush=True)
    return None


def _text(source: str, hypothesis: str, score: float) -> str:
    last = "" if score < 0 else f"score       {score:.3f}\n"
    return f"source      {source}\nhypothesis  {hypothesis}\n{last}"


def _frame(source: str, hypothesis: str, score: float) -> Frame:
    """Source and hypothesis in lines, of a long source the first and of a long hypothesis the last ones."""
    from PIL import Image, ImageDraw

    font = _font()
    image = Image.new("L", (_WIDTH, _HEIGHT), 255)
    draw = ImageDraw.Draw(image)
    blocks = (
        (0, "source", _lines(source)[:_SOURCE_LINES]),
        (_SOURCE_LINES + 1, "hypothesis", _lines(hypothesis)[-_HYPOTHESIS_LINES:]),
        (_SOURCE_LINES + _HYPOTHESIS_LINES + 1, "score", [] if score < 0 else [f"{score:.3f}"]),
    )
    for first, name, lines in blocks:
        for row, (label, line) in enumerate(zip([name, *[""] * len(lines)], lines or [""], strict=False)):
            top = _MARGIN + _LINE_HEIGHT * (first + row)
            draw.text((_MARGIN, top), label, font=font, fill=128)
            draw.text((_MARGIN + 11 * _LETTER_WIDTH, top), line, font=font, fill=0)
    size = (_SCALE * _WIDTH, _SCALE * _HEIGHT)
    return np.array(image.resize(size, Image.Resampling.NEAREST).convert("RGB"))


@cache
def _font() -> ImageFont:
    """Pillow's old font, with the letters of Latin-1 and a fixed width; its outline font has no umlauts."""
    from PIL import ImageFont

    return ImageFont.load_default_imagefont()


def _lines(text: str) -> list[str]:
    """A text in lines of letters that the font has; others lose their marks or become question marks."""
    letters = text.translate(_PLAIN)
    try:
        letters.encode("latin-1")
    except UnicodeEncodeError:
        letters = "".join(map(_latin, letters))
    return wrap(letters, _COLUMNS - 11)


def _latin(letter: str) -> str:
    if ord(letter) < 256:
        return letter
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if ord(base) < 256 else "?"
