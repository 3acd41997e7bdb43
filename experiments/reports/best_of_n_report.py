"""Report on best of N: verdict first, curves, the N that a trained policy is worth, falls, order and spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.reports.best_of_n_curves import (
    Curve,
    Equal,
    Fall,
    Sampled,
    curves,
    equal_numbers,
    looks,
    peak,
)
from experiments.reports.evidence import TITLES
from experiments.reports.page.charts import Chart, Series, line_chart
from experiments.reports.page.page import write_page
from experiments.reports.plots import new_figure, save_figures
from experiments.reports.sampled_policies import Ranked, Spread, ranking, spreads
from experiments.reports.statistics import Interval, interval
from experiments.reports.tables import Table, number, p_value, table
from experiments.runs.stages import SUPERVISED
from seq2seq_env.atomic_files import write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "best-of-n"
"""Of the report's files."""

SHOWN = 4
"""Falls of a policy that the table has; all looks are in the JSON file."""

_LINE_STYLES = ("-", "--", "-.", ":")


def write_best_of_n(
    folder: Path, every: Sequence[Sampled], samples: int, gold: str | None, provenance: Mapping[str, Any], seed: int
) -> str:
    """Write ``best-of-n.md``, ``.json``, ``.png`` and ``report.html``.

    Args:
        folder: Made if it is not there.
        every: Samples of R runs of one configuration.
        samples: The largest N.
        gold: What true quality is: "oracle", "judge", or None where it is not known.
        provenance: What made the numbers.
        seed: Of the order of the samples for minimum Bayes risk decoding.

    Returns:
        The verdict.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = curves(every, samples, seed)
    title = TITLES[gold or "oracle"]
    falls, equals = looks(known), _equals(known)
    temperature = known[0].wanted.temperature
    order, first = ranking(every, temperature), known[0].wanted
    spread = spreads([run[first] for run in every])
    runs, sources = known[0].reward.shape[:2]
    verdict = _verdict(known, equals, falls, title)
    parts: list[str] = [
        "# Best of N",
        *verdict,
        f"{runs} run{'s' if runs > 1 else ''}, {sources} test sources, {samples} samples of each. Intervals are 95 % "
        f"intervals over {'runs and ' if runs > 1 else ''}sources.",
        "## The best of N by the reward",
        _curve_table(known, title),
    ]
    for measure, rows in equals.items():
        parts += [f"## What N of the supervised policy equals a trained policy, by {_name(measure, title)}"]
        parts += [_equal_table(rows, _name(measure, title))]
    if falls:
        parts += [f"## Where the reward rises and {title} falls", _fall_table(falls, title)]
    if order is not None:
        parts += [
            f"## Order of policies by reward and by {title}",
            f"Means of samples at T = {temperature:g}; {order[1]}.",
            _order_table(order[0], title),
        ]
    if spread is not None:
        parts += [
            f"## Spread of the rewards of a source's samples, by {title}",
            _spread_sentence(spread[1], known[0].name, title), _spread_table(spread[0], title),
        ]  # fmt: skip
    pictures = save_figures(folder, {f"{NAME}.png": partial(_figure, known, title)})
    text = "\n\n".join([*parts, *(f"![Best of N]({picture})" for picture in pictures)]) + "\n"
    write_text(folder / f"{NAME}.md", text)
    record = {
        "runs": runs, "sources": sources, "samples": samples, "gold": gold, "verdict": verdict,
        "curves": [_record(curve) for curve in known],
        "equal": {measure: [row._asdict() for row in rows] for measure, rows in equals.items()},
        "falls": [_plain(row) for row in falls],
        "order": None if order is None else {**order[1]._asdict(), "policies": [_plain(row) for row in order[0]]},
        "spread": None if spread is None else {
            "bands": [row._asdict() for row in spread[0]], "difference": spread[1]._asdict(),
        },
        "provenance": dict(provenance),
    }  # fmt: skip
    write_json(folder / f"{NAME}.json", record)
    write_page(folder, parts, {"The best of N by the reward": _charts(known, title)}, None, provenance)
    return "\n".join(verdict)


def _equals(known: Sequence[Curve]) -> dict[str, list[Equal]]:
    """By measure, of all trained policies at the first temperature, if the supervised policy is among the curves."""
    alike = [curve for curve in known if curve.wanted.temperature == known[0].wanted.temperature]
    base = next((curve for curve in alike if curve.wanted.stage == SUPERVISED), None)
    if base is None or len(alike) < 2:
        return {}
    trained = [curve for curve in alike if curve is not base]
    return {name: [row for each in trained for row in equal_numbers(base, each, name)] for name in base.measures}


def _verdict(
    known: Sequence[Curve], equals: Mapping[str, Sequence[Equal]], falls: Sequence[Fall], title: str
) -> list[str]:
    sentences = []
    for curve in known:
        last = curve.numbers[-1]
        rises = [
            f"{_name(measure, title)} from {number(float(curve.at(measure, 1).mean()))} to "
            f"{number(float(curve.at(measure, last).mean()))}, by {_change(curve, measure, 1, last):+.3f}"
            for measure in curve.measures
        ]
        highest = f"; {title} is highest at N = {peak(curve)}" if curve.gold is not None else ""
        sentences.append(f"{curve.title}: the best of {last} by the reward changes {' and '.join(rises)}{highest}.")
    for measure, rows in equals.items():
        ended = [row for row in rows if row.name == rows[-1].name]
        few, worth = (", ".join(str(each) for each in values) for values in ([row.few for row in ended], ended))
        sentences.append(
            f"By {_name(measure, title)}, the supervised policy reaches the best of {few} samples of {rows[-1].name} "
            f"with the best of N = {worth} (none: with no N up to {known[0].numbers[-1]})."
        )
    fallen = [fall for fall in falls if fall.is_fall]
    for fall in sorted(fallen, key=lambda fall: fall.gold.mean)[:1]:
        sentences.append(
            f"{title.capitalize()} FALLS while the reward rises, most from N = {fall.since} to {fall.number} of "
            f"{fall.name}: by {fall.gold:+.3f}, the reward by {fall.reward:+.3f}; so at {len(fallen)} of {len(falls)} "
            "looks."
        )
    if falls and not fallen:
        sentences.append(f"At none of {len(falls)} looks is {title} shown to fall while the reward rises.")
    return sentences


def _name(measure: str, title: str) -> str:
    return TITLES["reward"] if measure == "reward" else title


def _change(curve: Curve, measure: str, since: int, until: int) -> Interval:
    return interval(curve.at(measure, until) - curve.at(measure, since))


def _curve_table(known: Sequence[Curve], title: str) -> Table:
    with_gold = known[0].gold is not None
    head = ["policy", "N", TITLES["reward"], *([title, f"{title}, since half of N"] if with_gold else [])]
    head += [f"minimum Bayes risk: {_name(measure, title)}" for measure in known[0].measures]
    rows = []
    for curve in known:
        for count in curve.numbers:
            row = [curve.title, str(count), f"{interval(curve.at('reward', count)):.3f}"]
            if with_gold:
                since = "-" if count == 1 else f"{_change(curve, 'gold', max(1, count // 2), count):+.4f}"
                row += [f"{interval(curve.at('gold', count)):.3f}", since]
            agreeing = [each for each in curve.agreeing.get(count, ()) if each is not None]
            rows.append([*row, *([f"{interval(each):.3f}" for each in agreeing] or ["-"] * len(known[0].measures))])
    return table(head, rows)


def _equal_table(rows: Sequence[Equal], name: str) -> Table:
    cells = ([row.name, str(row.few), number(row.value), str(row)] for row in rows)
    return table(["policy", "its samples", f"{name} of the best", "N of the supervised policy"], cells)


def _fall_table(falls: Sequence[Fall], title: str) -> Table:
    """Of each policy the largest falls of true quality with a reward that rises."""
    fallen = [fall for fall in falls if fall.reward.low > 0 and fall.gold.mean < 0]
    shown = [
        fall
        for name in dict.fromkeys(fall.name for fall in fallen)
        for fall in sorted((each for each in fallen if each.name == name), key=lambda each: each.gold.mean)[:SHOWN]
    ]
    rows = (
        [f.name, f"{f.since} to {f.number}", f"{f.reward:+.3f}", f"{f.gold:+.4f}", p_value(f.p),
         "falls" if f.is_fall else "not shown"]
        for f in shown
    )  # fmt: skip
    return table(["policy", "N", TITLES["reward"], title, "p (Holm)", "verdict"], rows)


def _order_table(rows: Sequence[Ranked], title: str) -> Table:
    cells = (
        [row.name, number(row.reward), str(row.by_reward), number(row.gold), str(row.by_gold),
         "-" if row.above is None else f"{row.above:+.3f}"]
        for row in sorted(rows, key=lambda row: row.by_reward)
    )  # fmt: skip
    return table(["policy", TITLES["reward"], "place", title, "place", f"{title} above the supervised policy's"], cells)


def _spread_table(bands: Sequence[Spread], title: str) -> Table:
    cells = (
        [f"{each.low:g} to {each.high:g}", f"{each.sources:,}", number(each.deviation),
         "-" if math.isnan(each.ends[0]) else f"[{each.ends[0]:.3f}, {each.ends[1]:.3f}]"]
        for each in bands
    )  # fmt: skip
    head = [f"{title} of the source's samples, mean", "sources, of all runs"]
    return table([*head, "standard deviation of their rewards", "95 %"], cells)


def _spread_sentence(difference: Interval, name: str, title: str) -> str:
    shown = "more" if difference.low > 0 else "less" if difference.high < 0 else "NOT SHOWN to be more or less"
    return (
        f"Samples of {name}: rewards vary {shown} where {title} is at most 0.5 than elsewhere (standard deviation "
        f"{difference:+.3f})."
    )


def _record(curve: Curve) -> dict[str, Any]:
    """As JSON: means for every N, intervals for those that tables show."""
    highest = peak(curve)
    shown: dict[str, Any] = {**curve.wanted._asdict(), "name": curve.name, "peak": highest and highest._asdict()}
    for measure in curve.measures:
        values = getattr(curve, measure)
        shown[measure] = values.mean((0, 1)).tolist()
        shown[f"{measure}_by_run"] = {str(n): curve.at(measure, n).mean(1).tolist() for n in curve.numbers}
        shown[f"{measure}_interval"] = {str(n): interval(curve.at(measure, n))._asdict() for n in curve.numbers}
    shown["minimum_bayes_risk"] = {
        str(n): {name: interval(each)._asdict() for name, each in zip(("reward", "gold"), both, strict=True)
                 if each is not None}
        for n, both in curve.agreeing.items()
    }  # fmt: skip
    return shown


def _plain(row: Fall | Ranked) -> dict[str, Any]:
    return {name: value._asdict() if isinstance(value, Interval) else value for name, value in row._asdict().items()}


def _charts(known: Sequence[Curve], title: str) -> list[Chart]:
    charts = []
    for measure in known[0].measures:
        series = []
        for curve in known:
            each = [interval(curve.at(measure, count)) for count in curve.numbers]
            mean, low, high = ([one[place] for one in each] for place in range(3))
            series.append(Series(curve.title, mean, low, high, [math.log2(count) for count in curve.numbers]))
        caption = f"{_name(measure, title).capitalize()} of the best of N by the reward, with 95 % intervals."
        charts += line_chart(caption, series, (), "log2 of N")
    return charts


def _figure(known: Sequence[Curve], title: str) -> Figure:
    """Reward and true quality over N; dots are minimum Bayes risk decoding."""
    measures = known[0].measures
    figure = new_figure(5 * len(measures), 4)
    for axis, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        for place, curve in enumerate(known):
            each = [interval(curve.at(measure, count)) for count in curve.numbers]
            style = {"color": f"C{place % 10}", "linestyle": _LINE_STYLES[place // 10 % 4]}
            axis.plot(curve.numbers, [one.mean for one in each], marker=".", label=curve.title, **style)
            axis.fill_between(
                curve.numbers, [one.low for one in each], [one.high for one in each], color=style["color"], alpha=0.12
            )
            agreeing = {n: both[measures.index(measure)] for n, both in curve.agreeing.items()}
            means = [each.mean() for each in agreeing.values() if each is not None]
            axis.plot([*agreeing], means, "o", color=style["color"], fillstyle="none")
        axis.set_xscale("log", base=2)
        axis.set(
            title=f"{_name(measure, title)} of the best of N by the reward", xlabel="N (rings: minimum Bayes risk)"
        )
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure
