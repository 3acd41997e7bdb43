"""Tables of reports, in Markdown."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"[\\`*_\[\]~]")


class Table(str):
    """A table in Markdown, which knows its cells for other forms.

    Attributes:
        columns: Heads.
        cells: By row.
    """

    columns: list[str]
    cells: list[list[str]]


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table with its header; a vertical bar in a cell is escaped."""
    cells = [list(row) for row in rows]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in (columns, *cells)]
    whole = Table("\n".join([f"| {lines[0]} |", "|" + "---|" * len(columns), *(f"| {each} |" for each in lines[1:])]))
    whole.columns, whole.cells = list(columns), cells
    return whole


def number(value: float | None) -> str:
    """Three decimals below 10 and one above, integers whole, "-" for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value}" if isinstance(value, int) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def text_cell(text: str) -> str:
    """A text of anybody's as a cell that shows it: on one line, with what Markdown or HTML would take escaped."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(" ".join(text.split()), quote=False))


def share(value: float | None) -> str:
    """Percent, "-" for None."""
    return "-" if value is None else f"{value:.1%}"


def p_value(p: float) -> str:
    """Three decimals, and the smallest as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
