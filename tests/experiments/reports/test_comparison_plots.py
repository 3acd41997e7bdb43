"""Plots of a comparison."""

from __future__ import annotations

import pytest

from experiments.reports.comparison_plots import _colors


@pytest.mark.parametrize("number", [1, 10, 11, 20])
def test_every_agent_has_a_color_of_its_own(number: int) -> None:
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    assert len(set(_colors(number))) == number


def test_there_are_colors_for_any_number() -> None:
    pytest.importorskip("matplotlib", reason="the extra report is not installed")
    assert len(_colors(23)) == 23
