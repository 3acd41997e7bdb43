"""Plots of a comparison of agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.reports.comparison_entry import Entry, measured_on
from experiments.reports.plots import TITLES, new_figure, save_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_comparison_plots(
    folder: Path, rows: Mapping[str, dict[str, Any]], entries: Sequence[Entry], base: Mapping[str, Any]
) -> list[str]:
    """Draw all plots into ``folder``; returns their file names.

    Args:
        folder: Of the comparison.
        rows: Intervals of each entry, by its name.
        entries: Their seeds.
        base: Measures of the supervised policy.
    """
    figures: dict[str, Callable[[], Figure]] = {
        "bars.png": partial(_bars, rows, base), "curves.png": partial(_curves, entries)
    }  # fmt: skip
    for measure in measured_on(base)[1:]:
        figures[f"reward_{measure}.png"] = partial(_scatter, entries, base, measure)
    return save_figures(folder, figures)


def _bars(rows: Mapping[str, dict[str, Any]], base: Mapping[str, Any]) -> Figure:
    """Reward, oracle and judge of samples with their intervals; the supervised policy as a line."""
    measures = measured_on(base)
    figure = new_figure(5.5 * len(measures), 0.6 + 0.4 * max(4, len(rows)))
    for axis, key in zip(np.atleast_1d(figure.subplots(1, len(measures), sharey=True)), measures, strict=True):
        names = list(rows)[::-1]
        bars = [rows[name][key] for name in names]
        errors = [[bar.mean - bar.low for bar in bars], [bar.high - bar.mean for bar in bars]]
        axis.barh(names, [bar.mean for bar in bars], xerr=errors, color="C0", alpha=0.7, capsize=3)
        axis.axvline(base[key], color="gray", linestyle=":", label="supervised BC")
        low = min([base[key], *(bar.low for bar in bars)])
        axis.set_xlim(left=max(0.0, low - 0.05))
        axis.set_title(TITLES[key])
        axis.grid(axis="x", alpha=0.3)
    axis.legend(fontsize=8)
    return figure


def _scatter(entries: Sequence[Entry], base: Mapping[str, Any], measure: str) -> Figure:
    """One point a seed; above the diagonal's direction the scorer is being fooled."""
    figure = new_figure(6, 5)
    axis = figure.subplots()
    axis.plot(base[measure], base["reward"], "k*", markersize=12, label="supervised BC")
    for number, entry in enumerate(entries):
        points = [(step[measure], step["reward"]) for step in entry.steps]
        axis.plot(*zip(*points, strict=True), "o", color=f"C{number % 10}", alpha=0.8, label=entry.name)
    axis.legend(fontsize=8)
    axis.set(xlabel=TITLES[measure], ylabel="learned reward", title=f"Reward against {measure}, by agent")
    axis.grid(alpha=0.3)
    return figure


def _curves(entries: Sequence[Entry]) -> Figure:
    """Validation reward over gradient tokens of the last Improve step, one line a seed."""
    figure = new_figure(7, 4)
    axis = figure.subplots()
    for number, entry in enumerate(entries):
        for seed, step in enumerate(entry.steps):
            tokens, rewards = zip(*step["curve"], strict=True)
            axis.plot(tokens, rewards, color=f"C{number % 10}", alpha=0.7, label=entry.name if seed == 0 else None)
    axis.set(xlabel="gradient tokens", ylabel="validation reward", title="Learning curves")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure
