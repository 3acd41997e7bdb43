"""Protocols of ratings: what a person sees at a time, the scale, and whether errors are marked."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from seq2seq_env.suggestions import check_name

ProtocolName = Literal["esa", "cesa", "da", "side-by-side"]
Shown = Literal["one", "all", "pair"]
"""What stands below a source at a time: one translation, those of all systems, or those of the first and another."""

_MARKING = (
    "Mark what is wrong first. Minor: style, grammar or a choice of words that could be better. Major: the meaning is "
    "changed, or hard to understand. What is left out is marked as missing."
)
_HUNDRED = {
    0: "says nothing of the source", 33: "much is wrong or missing", 66: "small faults, the meaning is there",
    100: "nothing to mend",
}  # fmt: skip
_CONTRAST = "A better translation must have the higher score; translations that are as good as each other, the same."


@dataclass(frozen=True)
class Protocol:
    """How translations are rated.

    Attributes:
        name: On the command line.
        pearmut: Name of the protocol in Pearmut that it is.
        shown: What stands below a source at a time.
        high: The best score; the worst is 0.
        marks_errors: Whether a rater marks errors beside the score.
        anchors: What some scores mean.
        instructions: Sentences for the rater.
    """

    name: ProtocolName
    pearmut: str
    shown: Shown
    high: int
    marks_errors: bool
    anchors: Mapping[int, str]
    instructions: tuple[str, ...]

    def check_score(self, score: object, where: str) -> float:
        """A score as a number.

        Raises:
            ValueError: If it is none, or outside the scale; ``where`` begins the sentence.
        """
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= self.high:
            raise ValueError(
                f"{where} has the score {reprlib.repr(score)}; the scale of {self.name} is 0 to {self.high}"
            )
        return float(score)

    def slider(self) -> list[dict[str, Any]]:
        """Pearmut's own slider where it is that of the protocol: none; else one."""
        return [] if self.high == 100 else [{"name": "Quality", "min": 0, "max": self.high, "step": 1}]


_PROTOCOLS: tuple[Protocol, ...] = (
    Protocol(
        "esa", "ESA", "one", 100, True, _HUNDRED,
        ("Read the source, then the translation.", _MARKING, "Then score the translation from 0 to 100."),
    ),
    Protocol(
        "cesa", "cESA", "all", 100, True, _HUNDRED,
        ("Read the source, then all translations of it.", _MARKING, "Then score each from 0 to 100.", _CONTRAST),
    ),
    Protocol(
        "da", "DA", "one", 100, False, _HUNDRED,
        ("Read the source, then the translation.", "Score how well it says what the source says, from 0 to 100."),
    ),
    Protocol(
        "side-by-side", "DA", "pair", 6, False,
        {0: "no meaning of the source is left", 2: "some of the meaning is left", 4: "most of the meaning is left, few "
         "faults of grammar", 6: "the whole meaning, and no fault"},
        ("Read the source, then both translations of it.", "Score each from 0 to 6.", _CONTRAST),
    ),
)  # fmt: skip

PROTOCOLS: dict[str, Protocol] = {each.name: each for each in _PROTOCOLS}
"""Error span annotation (ESA), its contrastive form (cESA), direct assessment (DA), and the side-by-side scores of
Gulcehre et al. 2023, figure 7."""

assert tuple(PROTOCOLS) == get_args(ProtocolName)


def protocol_of(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: If there is none.
    """
    check_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
