"""Translations of two policies side by side."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.reports.page import translations
from experiments.reports.page.translations import side_by_side


def line(text: str, reward: float, **more: float) -> dict[str, Any]:
    return {"source": "Quelle", "reference": "reference", "greedy": text, "greedy_reward": reward, **more}


BEFORE = [
    line("one", 0.5, greedy_oracle=0.9),
    line("two", 0.7, greedy_oracle=1.0),
    line("three", 0.5, greedy_oracle=0.1),
]
AFTER = [line("one", 0.5, greedy_oracle=0.9), line("2", 0.98, greedy_oracle=0.3), line("3", 0.9, greedy_oracle=0.9)]
NAMES = ("supervised", "G=1 I=1")


def test_first_comes_what_argues_against_the_reward() -> None:
    table = side_by_side(BEFORE, AFTER, NAMES, {"copy": [False, True, False], "length": [False, True, False]})
    assert [pair.number for pair in table.pairs] == [2, 3, 1]
    assert table.worst is table.pairs[0]
    assert table.worst.parted == pytest.approx(0.98)
    assert (table.total, table.changed, table.quality) == (3, 2, "true quality")
    assert [pair.flags for pair in table.pairs] == ["changed worse guard", "changed", ""]
    assert table.pairs[0].guards == ("copy", "length")


def test_a_judge_stands_in_for_the_oracle_and_nothing_for_neither() -> None:
    before, after = ([line("a", reward, greedy_judge=quality)] for reward, quality in ((0.1, 0.9), (0.2, 0.1)))
    assert side_by_side(before, after, NAMES).quality == "judge"
    alone = side_by_side([line("a", 0.1)], [line("b", 0.9)], NAMES)
    assert (alone.quality, alone.worst, alone.pairs[0].quality) == (None, None, None)
    assert side_by_side([], [], NAMES).worst is None


def test_a_page_shows_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "MOST_ROWS", 2)
    table = side_by_side(BEFORE, AFTER, NAMES)
    assert (len(table.pairs), table.total, table.changed) == (2, 3, 2)
