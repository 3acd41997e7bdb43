"""Word problems: drawn, written, read again and solved.

A problem says how many things somebody has, what happens to them, and asks how many there are at the end. Writing and
reading go by one table of sentences, so whatever is drawn can be solved from its text alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from seq2seq_env.writing import shortened

NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karl", "Lena", "Max", "Nora",
    "Oskar", "Paula",
)  # fmt: skip
THINGS = (
    "apples", "balls", "books", "buttons", "cards", "coins", "cups", "eggs", "keys", "lamps", "nuts", "pears", "pens",
    "plums", "shells", "stamps",
)  # fmt: skip

MOST = 99
"""Largest number of things at any time."""

FEWEST_EVENTS, MOST_EVENTS = 1, 4

BEGINNING = "{name} has {a} {things}."
QUESTION = "How many {things} does {name} have now?"


class Event(NamedTuple):
    """Something that changes how many there are."""

    text: str
    """Of the sentence, with the numbers ``{a}`` and, in some, ``{b}``."""
    equations: tuple[str, ...]
    """How it is worked out, ``{x}`` being how many there were and ``{p}`` the first equation's result."""
    outcome: Callable[[int, int, int], int | None]
    """How many there are after it, of (x, a, b); None where that cannot happen."""


EVENTS = (
    Event("{name} buys {a} more.", ("{x} + {a}",), lambda x, a, b: x + a),
    Event("{other} gives {name} {a} more.", ("{x} + {a}",), lambda x, a, b: x + a),
    Event("{name} loses {a} of them.", ("{x} - {a}",), lambda x, a, b: x - a),
    Event("{name} gives {a} of them to {other}.", ("{x} - {a}",), lambda x, a, b: x - a),
    Event("{name} buys {a} bags with {b} in each.", ("{a} * {b}", "{x} + {p}"), lambda x, a, b: x + a * b),
    Event("{name} loses {a} bags with {b} in each.", ("{a} * {b}", "{x} - {p}"), lambda x, a, b: x - a * b),
    Event("{name} gets {a} times as many as before.", ("{x} * {a}",), lambda x, a, b: x * a),
    Event(
        "{name} shares them among {a} friends and keeps one share.", ("{x} / {a}",),
        lambda x, a, b: x // a if a and x % a == 0 else None,
    ),
)  # fmt: skip

_WORD = {"name": r"[A-Z][a-z]+", "other": r"[A-Z][a-z]+", "things": r"[a-z]+", "a": r"\d+", "b": r"\d+"}
_ANSWER = re.compile(r"\banswer(?: is|:)? (\d{1,9})\.?$", re.IGNORECASE)


@dataclass(frozen=True)
class Solution:
    """A problem worked out.

    Attributes:
        equations: In their order, "7 + 5 = 12", say.
        answer: How many there are at the end.
    """

    equations: tuple[str, ...]
    answer: int

    @property
    def text(self) -> str:
        """The target that a policy learns to write."""
        return "; ".join([*self.equations, f"answer {self.answer}"])


def draw_problem(random: Random, events: int) -> str:
    """A problem in which so many things happen, none of which leaves less than 1 or more than :data:`MOST`."""
    name, other = random.sample(NAMES, 2)
    words = {"name": name, "other": other, "things": random.choice(THINGS)}
    count = random.randint(2, 40)
    sentences = [BEGINNING.format(a=count, **words)]
    while len(sentences) <= events:
        event = random.choice(EVENTS)
        high = 20 if event.equations in (("{x} + {a}",), ("{x} - {a}",)) else 5
        a, b = random.randint(2, high), random.randint(2, 9)
        after = event.outcome(count, a, b)
        if after is not None and 1 <= after <= MOST:
            count = after
            sentences.append(event.text.format(a=a, b=b, **words))
    return " ".join([*sentences, QUESTION.format(**words)])


def solve(problem: str) -> Solution:
    """The solution of a problem's text.

    Raises:
        ValueError: If it is none of these problems: every sentence is about one person and the same things, and whoever
            gives or is given some is another.
    """
    first, *middle = re.split(r"(?<=[.?]) ", problem)
    begun = _pattern(BEGINNING).fullmatch(first)
    asked = _pattern(QUESTION).fullmatch(middle.pop()) if middle else None
    if begun is None or asked is None or any(begun[word] != asked[word] for word in ("name", "things")):
        raise _no_problem(problem)
    count, equations = int(begun["a"]), []
    for sentence in middle:
        for event in EVENTS:
            if match := _pattern(event.text).fullmatch(sentence):
                break
        else:
            raise _no_problem(problem)
        words = match.groupdict()
        if words.pop("name") != begun["name"] or words.pop("other", None) == begun["name"]:
            raise _no_problem(problem)
        numbers = {key: int(value) for key, value in words.items()}
        after = event.outcome(count, numbers["a"], numbers.get("b", 0))
        if after is None:
            raise _no_problem(problem)
        product = numbers["a"] * numbers.get("b", 0)
        results = [product, after] if len(event.equations) == 2 else [after]
        for equation, result in zip(event.equations, results, strict=True):
            equations.append(f"{equation.format(x=count, p=product, **numbers)} = {result}")
        count = after
    return Solution(tuple(equations), count)


def is_right(problem: str, hypothesis: str) -> bool:
    """Whether a text ends with a problem's answer, "answer 12", say; the way to it is not looked at.

    Raises:
        ValueError: If it is none of these problems.
    """
    match = _ANSWER.search(hypothesis.strip())
    return match is not None and int(match[1]) == solve(problem).answer


def words() -> list[str]:
    """Every word and number of problems and solutions, in one order."""
    texts = [BEGINNING, QUESTION, "answer", *(event.text for event in EVENTS)]
    bare = re.sub(r"\{\w+\}", " ", " ".join(texts))
    return [*dict.fromkeys([*re.findall(r"[A-Za-z]+", bare), *NAMES, *THINGS]), *map(str, range(MOST + 1))]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile(
        "".join(f"(?P<{part}>{_WORD[part]})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )


def _no_problem(text: str) -> ValueError:
    return ValueError(f"the source {shortened(text)} is no problem of the task arithmetic; score sources of that task")
