"""Hypothesis text while it is written, always equal to ``tokenizer.decode`` of all of its tokens.

Decoding everything at each token would make an episode quadratic in its length. Where each token has a text of its own
(:meth:`Tokenizer.pieces`) texts are joined; otherwise the last few tokens are decoded again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tokenization.tokenizer import Pieces, Tokenizer

_CONTEXT = 4
_WINDOW = 8


class JoinedText:
    """Of tokens that have a text of their own.

    Args:
        pieces: Of the tokenizer.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._begun = False
        self._text = ""

    def append(self, token: int) -> str:
        """Add one token and return the text so far."""
        if self._begun:
            self._text += self._pieces.later[token]
        elif not self._pieces.silent[token]:
            self._begun = True
            self._text = self._pieces.first[token]
        return self._text

    def whole(self) -> str:
        """The text so far."""
        return self._text


class DecodedText:
    """Of tokens that a decoder reads together.

    Only the last few are decoded again: ``_context`` tokens whose text is known, and what came after them. A decoder
    may treat the start of its input differently, which the known context absorbs. Where it rewrites even the context (a
    character of several bytes that is just completed), the whole sequence is decoded once.

    Args:
        tokenizer: Turns tokens into text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._start = 0
        self._context = ""
        self._settled = ""
        self._text = ""

    def append(self, token: int) -> str:
        """Add one token and return the text so far."""
        self._tokens.append(token)
        window = self._decode(self._start)
        known = self._start == 0 or (self._context != "" and window.startswith(self._context))
        if known:
            self._text = self._settled + window[len(self._context) :]
        else:
            self._text = self._decode(0)
        if not known or len(self._tokens) - self._start > _WINDOW:
            self._settled = self._text
            self._start = max(0, len(self._tokens) - _CONTEXT)
            self._context = self._decode(self._start)
        return self._text

    def whole(self) -> str:
        """The text of all tokens, decoded together."""
        self._text = self._decode(0)
        return self._text

    def _decode(self, start: int) -> str:
        return self._tokenizer.decode([self._tokens[start:]])[0]


HypothesisText = JoinedText | DecodedText
"""One growing hypothesis."""


def hypothesis_text(tokenizer: Tokenizer) -> HypothesisText:
    """The text of a hypothesis that is empty now."""
    pieces = tokenizer.pieces
    return DecodedText(tokenizer) if pieces is None else JoinedText(pieces)


class HypothesisTexts:
    """The texts of many hypotheses.

    Args:
        tokenizer: Turns tokens into text.
        size: N, how many.

    Attributes:
        texts: object [N] of str; another array after each change.
    """

    def __init__(self, tokenizer: Tokenizer, size: int) -> None:
        self._tokenizer = tokenizer
        self._pieces = None if tokenizer.pieces is None else _arrays(tokenizer.pieces)
        self._begun, self._all_begun = np.zeros(size, dtype=np.bool_), False
        self._decoded = [DecodedText(tokenizer) for _ in range(size if self._pieces is None else 0)]
        self.texts = np.full(size, "", dtype=object)

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Make hypotheses ``rows`` (int64 [n]) empty."""
        self.texts = self.texts.copy()
        self.texts[rows] = ""
        self._begun[rows] = self._all_begun = False
        for row in rows.tolist() if self._decoded else ():
            self._decoded[row] = DecodedText(self._tokenizer)

    def settle(self, rows: NDArray[np.int64]) -> None:
        """Give hypotheses ``rows`` (int64 [n]) the text of all their tokens, decoded together."""
        if self._decoded:
            self.texts = self.texts.copy()
            for row in rows.tolist():
                self.texts[row] = self._decoded[row].whole()

    def append(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        """Add ``tokens`` (int64 [n]) to hypotheses ``rows`` (int64 [n], each once)."""
        if self._pieces is None:
            self.texts = self.texts.copy()
            for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
                self.texts[row] = self._decoded[row].append(token)
            return
        first, later, silent = self._pieces
        added = later[tokens]
        # Only the first token that is not silent drops its space; most steps are spared the look for such.
        if not self._all_begun:
            fresh = ~self._begun[rows]
            added[fresh] = first[tokens[fresh]]
            self._begun[rows] |= ~silent[tokens]
            self._all_begun = bool(self._begun.all())
        if len(rows) == len(self.texts):
            self.texts = self.texts + added
        else:
            # One addition of whole arrays of str is faster than one of the rows and a copy.
            every = np.full(len(self.texts), "", dtype=object)
            every[rows] = added
            self.texts = self.texts + every


def _arrays(pieces: Pieces) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.bool_]]:
    return np.array(pieces.first, dtype=object), np.array(pieces.later, dtype=object), np.array(pieces.silent)
