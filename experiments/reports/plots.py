"""Plots of a growing-batch run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from buffers import Slice
from seq2seq_env.extras import is_installed, require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
TITLES = {
    "reward": "learned reward",
    "oracle": "true quality (oracle)",
    "judge": "second scorer (judge)",
    "bleu": "BLEU",
}
"""Of what is measured, as plots show it."""

DECODES = (("sample", "o-"), ("greedy", "s--"))
_LINES = (":", "-.", (0, (1, 4)), (0, (5, 4)))


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches.

    Raises:
        ImportError: If the extra ``report`` is not installed.
    """
    figure: Figure = require("matplotlib.figure", "a plot").Figure(figsize=(width, height), layout="constrained")
    return figure


def save_figures(folder: Path, figures: Mapping[str, Callable[[], Figure]]) -> list[str]:
    """Draw figures into ``folder`` under their file names, which are returned; none where matplotlib is not there."""
    if not is_installed("matplotlib"):
        return []
    for name, draw in figures.items():
        draw().savefig(folder / name, dpi=110, bbox_inches="tight")
    return list(figures)


def save_plots(
    folder: Path,
    steps: Sequence[Row],
    controls: Sequence[Row],
    grown: Mapping[int, Slice],
    curves: Mapping[str, Mapping[str, list[list[float]]]],
) -> list[str]:
    """Draw all plots into ``folder``; returns their file names.

    Args:
        folder: Of the run.
        steps: Measures of ReST's stages.
        controls: Of the arms' last policies.
        grown: Data of each Grow step.
        curves: Points of ReST and of each arm by measure, tokens and value; none without an Improve step.
    """
    figures: dict[str, Callable[[], Figure]] = {
        "steps.png": partial(_by_step, steps, controls),
        "rewards.png": partial(_reward_distribution, grown),
        "data.png": partial(_kept, steps),
    }
    if curves:
        figures["learning.png"] = partial(_learning, curves)
    for measure in ("oracle", "judge"):
        if all(row.get(measure) is not None for row in steps):
            figures[f"reward_{measure}.png"] = partial(_reward_against, measure, steps, controls)
    return save_figures(folder, figures)


def step_name(row: Row) -> str:
    """Name of a step, the same in all tables, plots and pages: of an arm its own, else "supervised" or "G=1 I=2"."""
    if "step" in row:
        return str(row["step"])
    return f"G={row['grow']} I={row['improve']}" if row["grow"] else "supervised"


def _by_step(steps: Sequence[Row], controls: Sequence[Row]) -> Figure:
    """Reward, oracle or judge, and BLEU on the test sources by step; the controls as lines across."""
    measures = [name for name in TITLES if all(row.get(name) is not None for row in steps)]
    figure = new_figure(4 * len(measures), 3.6)
    axes = figure.subplots(1, len(measures))
    for axis, measure in zip(axes, measures, strict=True):
        for number, (decode, style) in enumerate(DECODES):
            rows = [row for row in steps if (row["split"], row["decode"]) == ("test", decode)]
            axis.plot(
                [step_name(row) for row in rows],
                [row[measure] for row in rows],
                style,
                color=f"C{number}",
                label=decode,
            )
            ended = [row for row in controls if (row["split"], row["decode"]) == ("test", decode)]
            for row, line in zip(ended, _LINES, strict=False):
                axis.axhline(row[measure], color=f"C{number}", linestyle=line, label=f"{row['step']}, {decode}")
        axis.set_title(TITLES[measure])
        axis.tick_params(axis="x", rotation=45)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.suptitle("Test sources by step")
    return figure


def _learning(curves: Mapping[str, Mapping[str, list[list[float]]]]) -> Figure:
    """Validation reward at every evaluation, and greedy test measures, over the gradient tokens of all steps so far.

    A step starts from the best weights of the one before, so that a line may jump there.
    """
    titles = {
        "validation_reward": "validation reward, samples",
        "greedy_reward": "learned reward, greedy",
        "greedy_oracle": "true quality (oracle), greedy",
    }
    measures = [measure for measure in titles if any(curve[measure] for curve in curves.values())]
    figure = new_figure(4.6 * len(measures), 3.6)
    axes = figure.subplots(1, len(measures), sharex=True, squeeze=False)[0]
    for axis, measure in zip(axes, measures, strict=True):
        for number, (name, curve) in enumerate(curves.items()):
            if curve[measure]:
                style = "o-" if measure == "validation_reward" else "s--"
                axis.plot(*zip(*curve[measure], strict=True), style, color=f"C{number}", markersize=4, label=name)
        axis.set(title=titles[measure], xlabel="gradient tokens after the supervised policy")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return figure


def _reward_distribution(grown: Mapping[int, Slice]) -> Figure:
    """Rewards of the original data, and of each Grow step's samples."""
    figure = new_figure(6, 3.6)
    axis = figure.subplots()
    bins = np.linspace(0, 1, 41).tolist()
    for step, data in grown.items():
        rewards = data.rewards[data.is_reference == (step == 0)]
        original: dict[str, Any] = {"label": "original data", "linestyle": ":", "color": "gray"}
        style = {"label": f"samples of Grow {step}"} if step else original
        axis.hist(rewards, bins=bins, density=True, histtype="step", linewidth=1.8, **style)
    axis.set(xlabel="learned reward", ylabel="density", title="Rewards of what was grown", yscale="log")
    if grown:
        axis.legend(fontsize=8)
    return figure


def _kept(steps: Sequence[Row]) -> Figure:
    """Filter value and the share of trajectories and sources that it leaves."""
    figure = new_figure(6, 3.6)
    axis = figure.subplots()
    rows = [row for row in steps if row["split"] == "validation" and row["improve"]]
    labels = [step_name(row) for row in rows]
    axis.bar(labels, [row["kept_fraction"] for row in rows], color="C0", alpha=0.6, label="trajectories kept")
    axis.plot(labels, [1 - row["sources_without_data"] for row in rows], "o-", color="C2", label="sources with data")
    axis.set(ylim=(0, 1.05), ylabel="share", title="Data of each Improve step")
    other = axis.twinx()
    other.plot(labels, [row["threshold"] for row in rows], "s--", color="C3", label="filter value")
    other.set_ylabel("filter value", color="C3")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _reward_against(measure: str, steps: Sequence[Row], controls: Sequence[Row]) -> Figure:
    """Where reward rises without quality, the scorer is being fooled: the path leaves the diagonal's direction."""
    figure = new_figure(4.6, 4.4)
    axis = figure.subplots()
    for number, (decode, style) in enumerate(DECODES):
        rows = [row for row in steps if (row["split"], row["decode"]) == ("test", decode)]
        axis.plot(
            [row[measure] for row in rows], [row["reward"] for row in rows], style, color=f"C{number}", label=decode
        )
        for row in (rows[0], rows[-1]):
            axis.annotate(step_name(row), (row[measure], row["reward"]), fontsize=8)
        ended = [row for row in controls if (row["split"], row["decode"]) == ("test", decode)]
        axis.plot([row[measure] for row in ended], [row["reward"] for row in ended], "x", color=f"C{number}")
        for row in ended:
            axis.annotate(row["step"], (row[measure], row["reward"]), fontsize=7)
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], ":", color="gray", label=f"reward = {measure}")
    axis.set(xlabel=TITLES[measure], ylabel="learned reward", title=f"Reward against {measure} (x: controls)")
    axis.legend(fontsize=8)
    return figure
