"""Report on over-optimisation: verdict first, coefficients, points, and each policy beside the best of N."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.reports.evidence import TITLES
from experiments.reports.overoptimisation_fit import (
    FORMULAS,
    Beside,
    Fit,
    Point,
    Series,
    basis,
    beside_best_of_n,
    fit,
)
from experiments.reports.overoptimisation_points import Family
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.statistics import interval
from experiments.reports.tables import Table, number, table
from seq2seq_env.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "overoptimisation"
"""Of the report's files."""

Fits = Mapping[tuple[str, str], Fit]
"""By series and measure."""


def write_overoptimisation(folder: Path, known: Sequence[Family], provenance: Mapping[str, Any]) -> str:
    """Write ``overoptimisation.md``, ``.json`` and, for each family, a picture.

    Args:
        folder: Made if it is not there.
        known: What to show, each under a heading of its own.
        provenance: What made the numbers.

    Returns:
        The verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    verdicts: list[str] = []
    sections: list[str] = []
    records, every = [], []
    for place, family in enumerate(known):
        fits = {
            (series.name, measure): each
            for series in family.series for measure in series.measures if (each := fit(series, measure)) is not None
        }  # fmt: skip
        every.append(fits)
        title = TITLES[family.gold or "oracle"]
        verdicts += _verdict(family, fits, title)
        beside = _beside(family)
        file = f"{NAME}.png" if len(known) == 1 else f"{NAME}-{place + 1}.png"
        pictures = save_figures(folder, {file: partial(_figure, family, fits, title)})
        sections += [f"## {family.name[0].upper()}{family.name[1:]}", *([_fit_table(fits, title)] if fits else [])]
        sections += [_point_table(family, beside, title), *(f"![{family.name}]({picture})" for picture in pictures)]
        records.append(_record(family, fits, beside))
    explained = (
        "The distance d is the root of the KL divergence of a whole translation from the supervised policy's, at the "
        "sampling temperature. Gains are those of samples. Fits are "
        + " and ".join(f"`{formula}` ({form})" for form, formula in FORMULAS.items())
        + ", by least squares; intervals are 95 % percentile bootstrap intervals over runs and sources, of which each "
        "resample is fitted anew. Of the best of N, `log N - (N - 1) / N` is the KL where no two samples have the same "
        "reward, and an upper bound elsewhere; the other estimate is from the shares of each reward among the samples."
    )
    sections = [*_by_reward(known, every), *sections]
    text = "\n\n".join(["# Over-optimisation", *verdicts, explained, *sections]) + "\n"
    write_text(folder / f"{NAME}.md", text)
    write_json(folder / f"{NAME}.json", {"verdict": verdicts, "families": records, "provenance": dict(provenance)})
    return "\n".join(verdicts)


def _verdict(family: Family, fits: Fits, title: str) -> list[str]:
    sentences = []
    for series in family.series:
        each = fits.get((series.name, "gold"))
        if each is None:
            continue
        if not each.bends:
            said = f"the gain in {title} is NOT SHOWN to bend: beta {each.beta}"
        elif each.peak.high <= each.farthest:
            said = f"{title} is past its peak, at d = {each.peak}: beta {each.beta}"
        else:
            said = (
                f"the gain in {title} bends (beta {each.beta}), and its peak, at d = {each.peak}, is not shown to be "
                f"within what was measured, up to {each.farthest:.2f}"
            )
        sentences.append(f"{family.name}, {series.name}: {said}.")
    return sentences


def _beside(family: Family) -> dict[str, dict[str, Beside]]:
    """Each policy beside the best of N at equal estimated KL, by measure."""
    if family.kl is None:
        return {}
    policies = [point for series in family.series if series.form != "best-of-n" for point in series.points]
    return {
        point.name: {
            measure: beside_best_of_n(point, family.kl, gain, measure) for measure, gain in family.gains.items()
        }
        for point in policies
    }


def _fit_table(fits: Fits, title: str) -> Table:
    rows = (
        [name, TITLES["reward"] if measure == "reward" else title, str(each.alpha), str(each.beta), str(each.peak),
         f"{each.farthest:.2f}", f"{each.error:.4f}"]
        for (name, measure), each in fits.items()
    )  # fmt: skip
    head = ["points", "gain in", "alpha", "beta", "d of the highest gain", "largest d measured", "error of the fit"]
    return table(head, rows)


def _by_reward(known: Sequence[Family], fits: Sequence[Fits]) -> list[str]:
    """Section that puts scorers beside one another, larger ones later; nothing of a single one."""
    if len({family.reward for family in known}) < 2:
        return []

    def size(place: int) -> tuple[int, int, str]:
        reward = known[place].reward
        return reward.ratings or 0, reward.parameters or 0, reward.name

    rows = [
        [series, TITLES["reward"] if measure == "reward" else TITLES[known[place].gold or "oracle"],
         known[place].reward.name, _count(known[place].reward.parameters), _count(known[place].reward.ratings),
         str(each.alpha), str(each.beta), str(each.peak)]
        for place in sorted(range(len(known)), key=size) for (series, measure), each in fits[place].items()
    ]  # fmt: skip
    rows.sort(key=lambda row: row[:2])  # stable, so that scorers stay in order
    head = ["points", "gain in", "scorer", "its parameters", "ratings it learned from", "alpha", "beta",
            "d of the highest gain"]  # fmt: skip
    return ["## By scorer", table(head, rows)]


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _point_table(family: Family, beside: Mapping[str, Mapping[str, Beside]], title: str) -> Table:
    measures = family.series[0].measures
    names = [TITLES["reward"] if measure == "reward" else title for measure in measures]
    head = ["points", "policy", "KL, nats", "d", *(f"gain in {name}" for name in names)]
    if beside:
        head += ["N of the same KL", *(f"{name} above the best of that N" for name in names)]
    rows = []
    for series in family.series:
        for point in series.points:
            gains = [f"{interval(point.gains[measure]):+.3f}" for measure in measures]
            row = [series.name, point.name, _kl(point), f"{point.distance:.2f}", *gains]
            if beside:
                row += _beside_cells(beside.get(point.name), measures)
            rows.append(row)
    return table(head, rows)


def _kl(point: Point) -> str:
    if np.ptp(point.kl) == 0:  # it is a formula's
        return number(float(point.kl.mean()))
    return f"{interval(point.kl):.3f}"


def _beside_cells(both: Mapping[str, Beside] | None, measures: Sequence[str]) -> list[str]:
    if both is None:
        return ["-"] * (1 + len(measures))
    first = both[measures[0]]
    if math.isnan(first.number):
        return ["more than were drawn", *["-"] * len(measures)]
    differences = [both[measure].difference for measure in measures]
    return [f"{first.number:.1f}", *(f"{each.value:+.3f} [{each.low:+.3f}, {each.high:+.3f}]" for each in differences)]


def _record(family: Family, fits: Fits, beside: Mapping[str, Mapping[str, Beside]]) -> dict[str, Any]:
    return {
        "name": family.name,
        "gold": family.gold,
        "scorer": family.reward._asdict(),
        "fits": [
            {"series": name, "measure": measure, **each._asdict()}
            | {key: getattr(each, key)._asdict() for key in ("alpha", "beta", "peak")}
            for (name, measure), each in fits.items()
        ],
        "points": [
            {"series": series.name, "name": point.name, "kl": float(point.kl.mean()), "distance": point.distance}
            | {measure: interval(gain)._asdict() for measure, gain in point.gains.items()}
            for series in family.series for point in series.points
        ],
        "beside_best_of_n": {
            name: {
                measure: each._asdict() | {"difference": each.difference._asdict()} for measure, each in both.items()
            }
            for name, both in beside.items()
        },
    }  # fmt: skip


def _figure(family: Family, fits: Fits, title: str) -> Figure:
    """Gains over the distance: points with their intervals, curves where they were fitted."""
    measures = family.series[0].measures
    figure = new_figure(5.6 * len(measures), 4.2)
    for axis, measure in zip(figure.subplots(1, len(measures), squeeze=False, sharey=True)[0], measures, strict=True):
        for place, series in enumerate(family.series):
            _draw(axis, series, fits.get((series.name, measure)), measure, f"C{place}")
        name = TITLES["reward"] if measure == "reward" else title
        axis.set(title=f"gain in {name}", xlabel="sqrt(KL from the supervised policy)")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure


def _draw(axis: Any, series: Series, curve: Fit | None, measure: str, colour: str) -> None:
    gains = [interval(point.gains[measure]) for point in series.points]
    means = [gain.mean for gain in gains]
    errors = [[gain.mean - gain.low for gain in gains], [gain.high - gain.mean for gain in gains]]
    places = [point.distance for point in series.points]
    axis.errorbar(places, means, errors, fmt="o", color=colour, markersize=4, capsize=2, label=series.name)
    if curve is not None and series.form is not None:
        # A best of N begins at 0; of other policies, nothing is known nearer than the nearest.
        along = np.linspace(0 if series.form == "best-of-n" else min(places), max(places), 100)
        axis.plot(along, basis(series.form, along) @ [curve.alpha.value, curve.beta.value], color=colour, alpha=0.7)
    elif series.form != "best-of-n":
        for point, at, mean in zip(series.points, places, means, strict=True):
            axis.annotate(point.name, (at, mean), fontsize=7)
