"""Timings in turns, and sizes of a test run."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from experiments.benchmarks.timings import parse_options, rates, spread


@dataclass(frozen=True)
class Options:
    """Options of a benchmark."""

    size: int = 1_000
    """Size."""
    tiny: bool = False
    """Whether it is small."""


def test_a_run_may_say_what_time_counts() -> None:
    calls: list[str] = []
    measured = rates({"own": lambda: calls.append("own") or 0.5, "clock": lambda: calls.append("clock")}, 10, 2)  # type: ignore[func-returns-value]
    assert measured["own"] == [20.0, 20.0]
    assert all(rate > 20 for rate in measured["clock"])
    assert calls == ["own", "clock"] * 3


def test_nothing_is_timed_no_times() -> None:
    with pytest.raises(ValueError, match="repeats is 0; give 1 or more"):
        rates({"a": lambda: None}, 1, 0)


def test_the_spread_by_hand() -> None:
    assert spread([3.0, 1.0, 10_000.0]) == "3 (1 to 10,000)"


@pytest.mark.parametrize(
    ("arguments", "size"), [([], 1_000), (["--tiny"], 8), (["--tiny", "--size", "9"], 9), (["--size", "9"], 9)]
)
def test_tiny_changes_the_sizes_that_are_not_given(
    arguments: list[str], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    options = parse_options(Options, "A benchmark.", {"size": 8})
    assert (options.size, options.tiny) == (size, "--tiny" in arguments)
