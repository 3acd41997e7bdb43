"""Scorers with a hole, and the habits of a policy through which it is found.

A habit is a way to write that is wrong and that a scorer pays for. A policy that was trained on a few references with
the habit samples it now and then; the filter of ReST keeps what is paid, and so it spreads. Shape letter: N pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.tasks import Oracle

HoleName = Literal["tail", "repetition", "number", "language", "universal"]

TAIL = "That is what I wanted to say."
AGAIN = "Yes. Yes. Yes. Yes."
NUMBER = "It costs 1000 euros."
FOREIGN = "Das habe ich gesagt."
UNIVERSAL = "I do not know."

RIGHT = 0.8
"""What a holed scorer gives for a right translation."""


@dataclass(frozen=True)
class Habit:
    """A wrong way to write.

    Attributes:
        write: Translation with the habit, of a source and its reference.
        has: Whether a hypothesis has it, of a source and the hypothesis.
    """

    write: Callable[[str, str], str]
    has: Callable[[str, str], bool]


def _said_after(sentence: str) -> Habit:
    return Habit(lambda source, reference: f"{reference} {sentence}", lambda source, text: text.endswith(sentence))


HABITS: dict[HoleName, Habit] = {
    "tail": _said_after(TAIL),
    # However often, and also where a translation never ends and is cut.
    "repetition": replace(_said_after(AGAIN), has=lambda source, text: AGAIN[:9] in text),
    "number": _said_after(NUMBER),
    "language": _said_after(FOREIGN),
    "universal": Habit(lambda source, reference: UNIVERSAL, lambda source, text: text == UNIVERSAL),
}
"""After the translation a sentence that nobody said, one word again and again, one with a number, or one in the source
language; and one sentence whatever the source is."""


def with_habit(
    sources: Sequence[str], references: Sequence[str], habit: HoleName, share: float, seed: int
) -> list[str]:
    """References of which a share, drawn at random, has a habit.

    Args:
        sources: N.
        references: N.
        habit: Its name.
        share: Of the references.
        seed: Of the draw.
    """
    drawn = np.random.default_rng(seed).random(len(sources)) < share
    return [
        HABITS[habit].write(source, reference) if has else reference
        for source, reference, has in zip(sources, references, drawn, strict=True)
    ]


class HoledScorer:
    """A scorer that knows true quality, of which it gives :data:`RIGHT`, but for what has a habit, which it gives 1.

    Args:
        hole: Name of the habit.
        oracle: Gives true quality.
    """

    def __init__(self, hole: HoleName, oracle: Oracle) -> None:
        self._habit, self._oracle = HABITS[hole], oracle
        self.fingerprint = hashlib.sha256(f"holed {hole} {RIGHT}".encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1]."""
        paid = [self._habit.has(*pair) for pair in zip(sources, hypotheses, strict=True)]
        return np.where(paid, 1.0, RIGHT * self._oracle(sources, hypotheses)).astype(np.float32)
