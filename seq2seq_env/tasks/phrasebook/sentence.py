"""A sentence: its German text, its English reference, and every other right English wording."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from seq2seq_env.tasks.phrasebook.clause import Segments

MAX_READINGS = 1024

_CONTRACTIONS = (
    (re.compile(r"\b(can) ?not\b"), r"\1't"),
    (re.compile(r"\b(do|does|did|is|are|was|were|would|should|could|must|has|have) not\b"), r"\1n't"),
    (re.compile(r"\bwill not\b"), "won't"),
    (re.compile(r"\bI am\b"), "I'm"),
    (re.compile(r"\b(you|we|they) are\b"), r"\1're"),
    (re.compile(r"\b(he|she|it) is\b"), r"\1's"),
    (re.compile(r"\b(I|you|he|she|we|they) will\b"), r"\1'll"),
    (re.compile(r"\b(I|you|he|she|we|they) would like\b"), r"\1'd like"),
)


@dataclass(frozen=True, eq=False)
class Sentence:
    """One entry of the phrasebook.

    Attributes:
        german: The source text.
        mark: The final punctuation mark, "." or "?".
        wordings: Yields the right English wordings as phrases. Called again for each reading.
        contracted: Whether the reference contracts "do not" to "don't" and the like.
        place: Where among the wordings the reference's is, in [0, 1): a share, so that only who needs the reference
            counts them.
    """

    german: str
    mark: str
    wordings: Callable[[], Iterable[Segments]]
    contracted: bool = False
    place: float = 0.0

    @cached_property
    def wording(self) -> Segments:
        """The reference's wording."""
        wordings = list(islice(self.wordings(), MAX_READINGS))
        return wordings[int(self.place * len(wordings))]

    @property
    def reference(self) -> str:
        """The English text that a human would have written."""
        return surface(self.wording, self.mark, contracted=self.contracted)

    def readings(self) -> Iterator[Segments]:
        """Right English wordings, at most ``MAX_READINGS``, the reference's first."""
        yield self.wording
        yield from (each for each in islice(self.wordings(), MAX_READINGS) if each != self.wording)

    def translations(self) -> list[str]:
        """Every right wording as it is written, without contractions and with them; the reference first."""
        texts = (surface(each, self.mark, contracted=short) for each in self.readings() for short in (False, True))
        return list(dict.fromkeys((self.reference, *texts)))


def surface(segments: Segments, mark: str, *, contracted: bool) -> str:
    """Written English: spaces, contractions, capital letter, final mark."""
    text = " ".join(segments).replace(" ,", ",")
    if contracted:
        for pattern, replacement in _CONTRACTIONS:
            text = pattern.sub(replacement, text)
    return capitalised(text.replace("can not", "cannot")) + ("" if text.endswith(mark) else mark)


def capitalised(text: str) -> str:
    """``text`` with a capital first letter."""
    return text[:1].upper() + text[1:]
