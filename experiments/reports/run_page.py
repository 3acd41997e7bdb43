"""The page of a growing-batch run: its charts, and the supervised policy's translations beside the final policy's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from experiments.reports.guard_counts import Hits
from experiments.reports.interference import TITLES, Change
from experiments.reports.page.charts import Chart, Series, interval_chart, line_chart, share_chart
from experiments.reports.page.page import write_page
from experiments.reports.page.translations import side_by_side
from experiments.reports.plots import step_name
from experiments.reports.statistics import interval
from experiments.runs.run_folder import RunFolder, flat

BANDS = (0.5, 0.7, 0.9, 0.95, 0.99)
"""Rewards at which the distribution is cut; most are thresholds of the paper's filter."""

Row = dict[str, Any]
Lines = Sequence[Mapping[str, Any]]
Curves = Mapping[str, Mapping[str, list[list[float]]]]


def write_run_page(
    run: RunFolder,
    parts: Sequence[str],
    steps: Sequence[Row],
    curves: Curves,
    lines: Mapping[str, Lines],
    shown: tuple[str, str],
    hits: Mapping[tuple[str, str], Hits],
    changes: Sequence[Change],
    provenance: Mapping[str, Any],
) -> None:
    """Write ``report.html``.

    Args:
        run: The folder.
        parts: Of ``results.md``, without pictures and examples.
        steps: Measures of ReST's stages.
        curves: Points over gradient tokens of ReST and the arms.
        lines: Kept translations of each step, the supervised policy's first.
        shown: Names of the steps whose translations stand side by side.
        hits: Broken guards by step and decoding.
        changes: Of each step since the supervised policy.
        provenance: What made the results, beside the run's options.
    """
    first, last = shown
    charts = {
        "Test sources, by step": [*_by_step(lines), *_distribution(lines)],
        "Validation sources, by step": _learning(curves),
        "Data of each Improve step": _data(steps),
        "What rises together, and what parts": _changes(changes),
    }
    broken = {rule: each.tolist() for rule, each in hits[last, "greedy"].items()}
    pairs = side_by_side(lines[first], lines[last], shown, broken)
    write_page(run.path, parts, charts, pairs, {**flat(run.config), **provenance})


def _by_step(lines: Mapping[str, Lines]) -> list[Chart]:
    """Learned reward and what else judges, greedily and by samples, with intervals over sources."""
    names = {"reward": "learned reward", "oracle": "true quality", "judge": "judge"}
    series = []
    for decode in ("greedy", "sample"):
        for name, title in names.items():
            column = f"{decode}_{name}"
            if all(column in each[0] for each in lines.values()) and all(len(each) > 1 for each in lines.values()):
                known = [interval(np.array([[line[column] for line in each]])) for each in lines.values()]
                label = f"{title}, {'greedy' if decode == 'greedy' else 'samples'}"
                mean, low, high = ([each[at] for each in known] for at in range(3))
                series.append(Series(label, mean, low, high))
    caption = "Test sources by step, with 95 % intervals over sources."
    return line_chart(caption, series, list(lines), "step")


def _distribution(lines: Mapping[str, Lines]) -> list[Chart]:
    """How many test samples have which reward, step by step."""
    shares = []
    for each in lines.values():
        rewards = np.array([line["sample_reward"] for line in each])
        shares.append((np.bincount(np.digitize(rewards, BANDS), minlength=len(BANDS) + 1) / len(rewards)).tolist())
    ends = [f"{each:g}" for each in BANDS]
    bands = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends)), f"{ends[-1]} and more"]
    return share_chart("Distribution of the reward of test samples by step.", list(lines), bands, shares)


def _learning(curves: Curves) -> list[Chart]:
    series = [
        Series(name, [point[1] for point in points], places=[point[0] for point in points])
        for name, curve in curves.items() if (points := curve["validation_reward"])
    ]  # fmt: skip
    caption = "Validation reward of samples at every evaluation; a step starts from the best weights of the one before."
    return line_chart(caption, series, [], "gradient tokens after the supervised policy")


def _changes(changes: Sequence[Change]) -> list[Chart]:
    """What is in [0, 1], so that it can stand on one axis."""
    series = []
    for name in ("reward", "oracle", "judge"):
        if changes and name in changes[0].differences:
            known = [change.differences[name] for change in changes]
            series.append(Series(TITLES[name], *([each[at] for each in known] for at in range(3))))
    caption = "Change of greedy translations since the supervised policy, with 95 % intervals."
    return interval_chart(caption, [change.step for change in changes], series, "change")


def _data(steps: Sequence[Row]) -> list[Chart]:
    rows = [row for row in steps if row["split"] == "validation" and row["improve"]]
    if not rows:
        return []
    series = [
        Series("trajectories kept", [row["kept_fraction"] for row in rows]),
        Series("sources with data", [1 - row["sources_without_data"] for row in rows]),
    ]
    caption = "What the filter leaves of each Improve step's data, as shares."
    return line_chart(caption, series, list(map(step_name, rows)), "step")
