"""Plots of a comparison of agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.reports.comparison_entry import COLUMNS, Entry
from experiments.reports.plots import DECODES, TITLES, new_figure, save_figures
from seq2seq_env.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_comparison_plots(
    folder: Path, rows: Mapping[str, dict[str, Any]], entries: Sequence[Entry], base: Entry
) -> list[str]:
    """Draw all plots into ``folder``; returns their file names.

    Args:
        folder: Of the comparison.
        rows: Intervals of each entry, by its name.
        entries: The agents.
        base: The supervised policy.
    """
    figures: dict[str, Callable[[], Figure]] = {
        "bars.png": partial(_bars, rows, base), "curves.png": partial(_curves, entries)
    }  # fmt: skip
    for measure in ("oracle", "judge"):
        if base.has(f"sample_{measure}"):
            figures[f"reward_{measure}.png"] = partial(_scatter, entries, base, measure)
    return save_figures(folder, figures)


def _bars(rows: Mapping[str, dict[str, Any]], base: Entry) -> Figure:
    """All measures, greedy ones above those of samples, with their intervals; the supervised policy as a line."""
    columns = [column for column in COLUMNS if base.has(column)]
    figure = new_figure(2.75 * len(columns), 2 * (0.6 + 0.4 * max(4, len(rows))))
    for axis, column in zip(
        figure.subplots(2, len(columns) // 2, sharey=True, squeeze=False).flat, columns, strict=True
    ):
        names, before = list(rows)[::-1], base.mean(column)
        bars = [rows[name][column] for name in names]
        errors = [[bar.mean - bar.low for bar in bars], [bar.high - bar.mean for bar in bars]]
        axis.barh(names, [bar.mean for bar in bars], xerr=errors, color="C0", alpha=0.7, capsize=3)
        axis.axvline(before, color="gray", linestyle=":", label="supervised BC")
        axis.set_xlim(left=max(0.0, min([before, *(bar.low for bar in bars)]) - 0.05))
        axis.set_title(COLUMNS[column])
        axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _scatter(entries: Sequence[Entry], base: Entry, measure: str) -> Figure:
    """One point a seed and decoding; above the diagonal's direction the scorer is being fooled."""
    figure = new_figure(6, 5)
    axis = figure.subplots()
    for entry, color in zip((base, *entries), ("k", *_colors(len(entries))), strict=True):
        for decode, style in DECODES:
            points = [(each[f"{decode}_{measure}"], each[f"{decode}_reward"]) for each in entry.records.values()]
            label = entry.name if decode == "sample" else None
            axis.plot(*zip(*points, strict=True), style[0], color=color, alpha=0.8, label=label)
    axis.legend(fontsize=8)
    title = f"Reward against {measure}, by agent (squares: greedy)"
    axis.set(xlabel=TITLES[measure], ylabel="learned reward", title=title)
    axis.grid(alpha=0.3)
    return figure


def _curves(entries: Sequence[Entry]) -> Figure:
    """Validation reward over gradient tokens of the last Improve step, one line a seed."""
    figure = new_figure(7, 4)
    axis = figure.subplots()
    for entry, color in zip(entries, _colors(len(entries)), strict=True):
        for place, record in enumerate(entry.records.values()):
            if not record["curve"]:  # it had nothing to train on
                continue
            tokens, rewards = zip(*record["curve"], strict=True)
            axis.plot(tokens, rewards, color=color, alpha=0.7, label=entry.name if place == 0 else None)
    axis.set(xlabel="gradient tokens", ylabel="validation reward", title="Learning curves")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def _colors(number: int) -> list[str]:
    """So many colors, which differ up to twenty."""
    colors, hexadecimal = require("matplotlib", "a plot").colormaps, require("matplotlib.colors", "a plot").to_hex
    palette = colors["tab10" if number <= colors["tab10"].N else "tab20"]
    return [hexadecimal(palette(each % palette.N)) for each in range(number)]
