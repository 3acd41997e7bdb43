"""Markdown tables and their numbers."""

from __future__ import annotations

import pytest

from experiments.reports.tables import number, p_value, table, text_cell


def test_a_table_by_hand() -> None:
    assert table(("a", "b"), [("1", "2"), ["x|y", ""]]) == "| a | b |\n|---|---|\n| 1 | 2 |\n| x\\|y |  |"
    assert table(["only"], []) == "| only |\n|---|"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (12345, "12345"), (0.12345, "0.123"), (-9.9999, "-10.000"), (10.0, "10.0"), (-37.25, "-37.2")],
)
def test_numbers_have_as_many_decimals_as_mean_something(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_small_p_values_are_bounds() -> None:
    assert [p_value(p) for p in (1.0, 0.05, 0.001, 0.0009)] == ["1.000", "0.050", "0.001", "< 0.001"]


def test_a_text_of_anybodys_is_shown_as_it_is() -> None:
    assert text_cell("zwei\nZeilen\r\n <b>fett</b> & *kursiv* [a](b) \\") == (
        "zwei Zeilen &lt;b&gt;fett&lt;/b&gt; &amp; \\*kursiv\\* \\[a\\](b) \\\\"
    )
    assert table(["a"], [[text_cell("x|y\u2028z")]]).endswith("| x\\|y z |")
    assert number(float("nan")) == "-"
