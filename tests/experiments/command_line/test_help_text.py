from __future__ import annotations

from dataclasses import dataclass, fields

from experiments.command_line.help_text import first_sentences
from experiments.compare_agents import Config


@dataclass
class One:
    """First."""

    a: int = 1
    """A number, one say. More
    of it."""
    b: str = "b"
    """A text that
    wraps."""


@dataclass
class Two(One):
    """Second."""

    b: str = "c"
    """Another text; yes."""
    c: int = 2


def test_first_sentences_are_those_of_the_last_class() -> None:
    assert first_sentences(Two) == {"a": "A number, one say.", "b": "Another text; yes."}


def test_every_option_of_a_run_has_one() -> None:
    assert {each.name for each in fields(Config)} <= first_sentences(Config).keys()
