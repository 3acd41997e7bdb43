"""Translation of texts of any length line by line, some lines at a time, so that memory does not grow with them."""

from __future__ import annotations

import json
import re
import reprlib
import sys
import time
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tqdm import tqdm

from agents.cli.line_files import Lines
from agents.sampling.decoding import Rule
from agents.sampling.translation import Translation
from seq2seq_env.progress import progress_bar

if TYPE_CHECKING:
    from agents.policy.seq2seq_policy import Seq2SeqPolicy

OverLong = Literal["refuse", "pass-over"]
"""Treatment of a line of more tokens than the policy reads."""


class TranslatedLine(NamedTuple):
    """A line and its translation.

    Attributes:
        source: As it was read.
        translation: None where it was too long and passed over; an empty line has an empty one.
    """

    source: str
    translation: Translation | None

    def as_text(self) -> str:
        """The translation on one line; empty where there is none."""
        # A tokenizer may know line breaks, which would move all that follows.
        return "" if self.translation is None else re.sub(r"[\r\n]+", " ", self.translation.text)

    def as_json(self) -> str:
        """An object with ``source``, ``hypothesis``, ``truncated``, and ``score`` or ``utility`` if known.

        ``hypothesis`` is null where the line was passed over, ``truncated`` whether the length limit cut it.
        """
        record: dict[str, Any] = {"source": self.source, "hypothesis": None, "truncated": None}
        if self.translation is not None:
            record |= {"hypothesis": self.translation.text, "truncated": self.translation.truncated}
            values = {"score": self.translation.score, "utility": self.translation.utility}
            record |= {name: value for name, value in values.items() if value is not None}
        return json.dumps(record, ensure_ascii=False)


class LineTranslator:
    """Translates lines in their order, and counts.

    Args:
        policy: Its tokenizer measures the lines.
        rule: Translates.
        lines_at_once: Read, translated and given back together, at least 1. With methods that sample, the random
            numbers depend on it.
        over_long: Whether a line too long is an error or is passed over with a warning on standard error.
        progress: Whether to show a bar on standard error.

    Attributes:
        sentences: Translated so far.
        tokens: Written for them so far, those of all candidates.
        truncated: Translations that the length limit cut so far.
        seconds: That took so far.

    Raises:
        ValueError: If ``lines_at_once`` is below 1.
    """

    def __init__(
        self,
        policy: Seq2SeqPolicy,
        rule: Rule,
        *,
        lines_at_once: int = 512,
        over_long: OverLong = "refuse",
        progress: bool = True,
    ) -> None:
        if lines_at_once < 1:
            raise ValueError(f"lines_at_once is {lines_at_once}; give at least 1")
        self._policy, self._rule = policy, rule
        self._lines_at_once, self._over_long, self._progress = lines_at_once, over_long, progress
        self.sentences, self.tokens, self.truncated, self.seconds = 0, 0, 0, 0.0

    def translate(self, lines: Lines) -> Iterator[list[TranslatedLine]]:
        """The lines with their translations, some at a time, in their order.

        Lines that can be read twice are all read and measured before the first is translated.

        Raises:
            ValueError: If a line is not UTF-8, or is too long and to be refused.
        """
        total = self._checked(lines) if lines.repeatable else None
        read = 0
        with progress_bar(total=total, unit="line", desc="translate", shown=self._progress, leave=False) as bar:
            for number, texts in enumerate(self._parts(lines)):
                too_long = self._too_long(texts, read, lines.name)
                for message in too_long.values():
                    tqdm.write(f"warning: {message}; passed over", file=sys.stderr)
                read += len(texts)
                yield self._translated(texts, too_long.keys(), number)
                bar.update(len(texts))

    def __str__(self) -> str:
        seconds = max(self.seconds, 1e-9)
        cut = f"; {self.truncated:,} of them cut at the length limit" if self.truncated else ""
        return (
            f"{self.sentences:,} sentences in {self.seconds:.1f} s: {self.sentences / seconds:,.1f} sentences/s, "
            f"{self.tokens / seconds:,.0f} tokens/s{cut}"
        )

    def _parts(self, lines: Lines) -> Iterator[list[str]]:
        rest = iter(lines)
        while texts := list(islice(rest, self._lines_at_once)):
            yield texts

    def _checked(self, lines: Lines) -> int:
        """How many lines there are, after a look for what would end the work half-way."""
        read = 0
        for texts in self._parts(lines):
            if self._over_long == "refuse":
                self._too_long(texts, read, lines.name)
            read += len(texts)
        return read

    def _too_long(self, texts: list[str], before: int, name: str) -> dict[int, str]:
        """Of each line that the policy cannot read, its row here and a message; ``before`` lines came earlier."""
        limit = self._policy.max_source_length
        messages = {}
        for row, tokens in enumerate(self._policy.tokenizer.encode(texts)):
            if len(tokens) > limit and texts[row].strip():
                messages[row] = (
                    f"line {before + row + 1} of {name} has {len(tokens)} tokens, the policy reads {limit} at most: "
                    f"{reprlib.repr(texts[row])}"
                )
                if self._over_long == "refuse":
                    raise ValueError(f"{messages[row]}; shorten or split it, or have it passed over")
        return messages

    def _translated(self, texts: list[str], left_out: Collection[int], number: int) -> list[TranslatedLine]:
        began = time.perf_counter()
        rows = [row for row, text in enumerate(texts) if text.strip() and row not in left_out]
        chosen = self._rule([texts[row] for row in rows], number) if rows else []
        self.seconds += time.perf_counter() - began
        self.sentences += len(chosen)
        self.tokens += sum(translation.tokens for translation in chosen)
        self.truncated += sum(translation.truncated for translation in chosen)
        translations: list[Translation | None] = [Translation("", 0)] * len(texts)
        for row in left_out:
            translations[row] = None
        for row, translation in zip(rows, chosen, strict=True):
            translations[row] = translation
        return [TranslatedLine(*each) for each in zip(texts, translations, strict=True)]
