"""A clause as its parts in both languages, and the word orders that a sentence can put it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seq2seq_env.tasks.phrasebook.phrases import Adverbial

Segments = tuple[str, ...]
"""Phrases of an English clause in order; joined by spaces they are its text."""


@dataclass(frozen=True)
class Reading:
    """One right English rendering of a clause's verb and what follows it.

    Attributes:
        auxiliary: Stands before the subject in a question; may be empty in a statement.
        middle: "not" or an adverb such as "never"; may be empty.
        rest: The verb group without its auxiliary; may be empty after "be".
        tails: Alternatives for the complements, each in order.
    """

    auxiliary: str
    middle: str
    rest: str
    tails: tuple[Segments, ...]


@dataclass(frozen=True)
class Clause:
    """A clause before its word order is chosen.

    Attributes:
        subject_german: Nominative.
        subject_english: Subject form.
        finite: The German finite verb.
        pronouns: German unstressed objects, first in the middle field.
        time: When, or None; the only part that can stand first instead of the subject.
        middle: The rest of the German middle field in order.
        closing: German separable prefix, infinitive or participle; may be empty.
        final: German verbs as they stand at the end of a subordinate clause.
        readings: English renderings, the reference's first.
    """

    subject_german: str
    subject_english: str
    finite: str
    pronouns: Segments
    time: Adverbial | None
    middle: Segments
    closing: str
    final: str
    readings: tuple[Reading, ...]

    def verb_second(self, *, time_first: bool = False) -> str:
        """Main clause: "Morgen fährt der Zug ab"."""
        if time_first and self.time:
            return _join(self.time.german, self.finite, *self._inverted(with_time=False))
        return _join(self.subject_german, self.finite, *self._field(), self.closing)

    def verb_first(self) -> str:
        """Question, imperative, or main clause after a subordinate one: "fährt der Zug morgen ab"."""
        return _join(self.finite, *self._inverted(with_time=True))

    def verb_last(self) -> str:
        """Subordinate clause: "der Zug morgen abfährt"."""
        return _join(self.subject_german, *self._field(), self.final)

    def statements(self, *, time_first: bool = False, frontable: bool = True) -> Iterator[Segments]:
        """English in statement order, the reference first.

        Args:
            time_first: Whether the reference puts the time before the subject.
            frontable: Whether the time may stand before the subject at all.
        """
        for reading in self.readings:
            verb = _join(reading.auxiliary, reading.middle, reading.rest)
            for tail in reading.tails:
                core = (self.subject_english, verb, *tail)
                if not self.time:
                    yield core
                    continue
                for wording in self.time.english:
                    last, first = (*core, wording), (wording, *core)
                    if not frontable:
                        yield last
                    elif time_first:
                        yield first
                        yield last
                    else:
                        yield last
                        yield first

    def questions(self, *opening: str) -> Iterator[Segments]:
        """English with the auxiliary before the subject, after a question word if there is one."""
        for reading in self.readings:
            for tail in reading.tails:
                core = (*opening, reading.auxiliary, self.subject_english, _join(reading.middle, reading.rest), *tail)
                for wording in self.time.english if self.time else ("",):
                    yield tuple(segment for segment in (*core, wording) if segment)

    def _field(self, with_time: bool = True) -> Segments:
        time = (self.time.german,) if self.time and with_time else ()
        return (*self.pronouns, *time, *self.middle)

    def _inverted(self, with_time: bool) -> Segments:
        return (self.subject_german, *self._field(with_time), self.closing)


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)
