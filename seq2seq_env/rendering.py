"""Tokens as text, while they are written and when a person looks."""

from __future__ import annotations

from seq2seq_env.tasks.tokenizer import Tokenizer

_CONTEXT = 4
_WINDOW = 8


class HypothesisText:
    """The text of a token sequence that grows at its end, always equal to ``tokenizer.decode`` of all of it.

    Decoding everything at each token would make an episode quadratic in its length. Only the last few tokens are
    decoded again: ``_context`` tokens whose text is known, and what came after them. A decoder may treat the start of
    its input differently (Metaspace drops the first space), which the known context absorbs. Where it rewrites even the
    context (a character of several bytes that is just completed), the whole sequence is decoded once.

    Args:
        tokenizer: Turns tokens into text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._start = 0
        self._context = ""
        self._settled = ""
        self.text = ""

    def append(self, token: int) -> str:
        """Add one token and return the text so far."""
        self._tokens.append(token)
        window = self._decode(self._start)
        known = self._start == 0 or (self._context != "" and window.startswith(self._context))
        if known:
            self.text = self._settled + window[len(self._context) :]
        else:
            self.text = self._decode(0)
        if not known or len(self._tokens) - self._start > _WINDOW:
            self._settled = self.text
            self._start = max(0, len(self._tokens) - _CONTEXT)
            self._context = self._decode(self._start)
        return self.text

    def _decode(self, start: int) -> str:
        return self._tokenizer.decode([self._tokens[start:]])[0]


def render_text(source: str, hypothesis: str, score: float | None) -> str:
    """What a person sees of an episode; the score only when there is one."""
    lines = [f"source      {source}", f"hypothesis  {hypothesis}"]
    if score is not None:
        lines.append(f"score       {score:.3f}")
    return "\n".join(lines) + "\n"
