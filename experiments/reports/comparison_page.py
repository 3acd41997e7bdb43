"""The page of a comparison: its charts, and the supervised policy's translations beside the best agent's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports.comparison_entry import COLUMNS, Entry
from experiments.reports.page.charts import Chart, Series, interval_chart, line_chart
from experiments.reports.page.page import write_page
from experiments.reports.page.translations import SideBySide, side_by_side
from experiments.runs.run_folder import RunFolder, flat


def write_comparison_page(
    folder: RunFolder,
    parts: Sequence[str],
    entries: Sequence[Entry],
    base: Entry,
    rows: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write ``report.html``.

    Args:
        folder: Of the comparison.
        parts: Of ``results.md``.
        entries: The agents.
        base: The supervised policies.
        rows: Intervals of each agent, by its name.
    """
    charts = {
        "Greedy translations": _gains(rows, base, "greedy"),
        "Samples": _gains(rows, base, "sample"),
        "Cost": _curves(entries),
    }
    shown = parts[: parts.index("## Plots")]
    write_page(folder.path, shown, charts, _translations(entries, base, rows), flat(folder.config))


def _gains(rows: Mapping[str, Mapping[str, Any]], base: Entry, decode: str) -> list[Chart]:
    columns = [column for column in COLUMNS if column.startswith(decode) and base.has(column)]
    series = []
    for column in columns:
        gains = [row[f"{column}_gain"] for row in rows.values()]
        series.append(Series(COLUMNS[column], *([gain[at] for gain in gains] for at in range(3))))
    what = "greedy translations" if decode == "greedy" else "samples"
    caption = f"Gain of {what} over the supervised policy of the same seed, with 95 % intervals."
    return interval_chart(caption, list(rows), series, "gain")


def _curves(entries: Sequence[Entry]) -> list[Chart]:
    """Of the first seed: several seeds' lines would hide each other."""
    series = []
    for entry in entries:
        curve = next(iter(entry.records.values()))["curve"]
        if curve:
            tokens, rewards = zip(*curve, strict=True)
            series.append(Series(entry.name, rewards, places=tokens))
    caption = "Validation reward of each agent's first seed, last Improve step."
    return line_chart(caption, series, [], "gradient tokens")


def _translations(entries: Sequence[Entry], base: Entry, rows: Mapping[str, Mapping[str, Any]]) -> SideBySide | None:
    """Of the agent that is best greedily by the best measure there is, and of its first seed."""
    if not entries:
        return None
    column = next(column for column in COLUMNS if base.has(column))
    best = max(entries, key=lambda entry: float(rows[entry.name][column].mean))
    seed = next(iter(best.translations))
    names = (f"{base.name}, seed {seed}", f"{best.name}, seed {seed}")
    return side_by_side(base.translations[seed], best.translations[seed], names)
