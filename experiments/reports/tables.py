"""Tables of reports, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with its header; a vertical bar in a cell is escaped."""
    lines = [columns, *rows]
    cells = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join([f"| {cells[0]} |", "|" + "---|" * len(columns), *(f"| {each} |" for each in cells[1:])])


def number(value: float | None) -> str:
    """Three decimals below 10 and one above, integers whole, "-" for None."""
    if value is None:
        return "-"
    return f"{value}" if isinstance(value, int) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def share(value: float | None) -> str:
    """Percent, "-" for None."""
    return "-" if value is None else f"{value:.1%}"


def p_value(p: float) -> str:
    """Three decimals, and the smallest as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
