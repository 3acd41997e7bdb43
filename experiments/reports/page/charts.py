"""Charts of a page: matplotlib's SVG, in the page's own colours, with the value of every point on it.

matplotlib is what the package has for plots; its SVG needs no script, and inside the page its colours follow the
reader's choice of light or dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from seq2seq_env.extras import is_installed, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_INK, _GRID = "#010203", "#010204"
_SERIES = tuple(f"#0102{number:02x}" for number in range(16, 22))
_COLOURS = {_INK: "var(--ink)", _GRID: "var(--grid)"} | {
    colour: f"var(--series{number})" for number, colour in enumerate(_SERIES, start=1)
}
"""What matplotlib is told, and what the page makes of it."""

_DASHES = ("-", "--", ":", "-.", (0, (1, 3)), (0, (6, 3)))
_MARKERS = "os^Dvx"
_STYLE = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11, "text.color": _INK, "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK, "grid.color": _GRID,
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: For the legend.
        values: By place.
        low: Lower ends of the intervals; none without intervals.
        high: Upper ends.
        places: Numbers along the horizontal axis; none where places have names.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    places: Sequence[float] = ()


@dataclass(frozen=True)
class Chart:
    """A chart with what it says in words.

    Attributes:
        caption: What is shown, for the page and for those who do not see it.
        svg: The picture.
    """

    caption: str
    svg: str


def line_chart(caption: str, series: Sequence[Series], names: Sequence[str], label: str) -> list[Chart]:
    """Lines over named places, on an axis from 0 to 1, or over numbers, on one that says where it begins.

    Args:
        caption: Of the chart.
        series: The lines.
        names: Of the places; without any, each series has its own numbers.
        label: Of the horizontal axis.

    Returns:
        The chart; nothing where matplotlib is not installed.
    """
    if not is_installed("matplotlib") or not series:
        return []
    with require("matplotlib", "a chart").rc_context(_STYLE):
        figure = _figure(7.2, 4)
        axis = figure.subplots()
        titles: dict[str, list[str]] = {}
        for number, each in enumerate(series):
            places = list(each.places) or list(range(len(each.values)))
            shifted = number + number // len(_SERIES)  # where colours come again, with other dashes and markers
            style = {"color": _SERIES[number % len(_SERIES)], "linestyle": _DASHES[shifted % len(_DASHES)]}
            marker = _MARKERS[shifted % len(_MARKERS)]
            (line,) = axis.plot(places, each.values, marker=marker, markersize=5, label=each.name, **style)  # type: ignore[arg-type]
            line.set_gid(f"series{number}")
            if each.low:
                axis.fill_between(places, each.low, each.high, color=style["color"], alpha=0.15, linewidth=0)
            at = [names[place] for place in range(len(places))] if names else [_place(place) for place in places]
            titles[f"series{number}"] = [
                f"{each.name}, {where}: {value:.3f}" for where, value in zip(at, each.values, strict=True)
            ]
        if names:
            axis.set_xticks(range(len(names)), names, rotation=30 if len(names) > 4 else 0)
            axis.set_ylim(0, 1)
        else:
            least = axis.get_ylim()[0]
            label = f"{label}; the upright axis begins at {least:.2f}, not at 0"
        _finish(axis, label)
        return [Chart(caption, _page_svg(figure, caption, titles))]


def _place(place: float) -> str:
    """A number along the axis, with two decimals where it has any."""
    return f"{place:,.0f}" if float(place).is_integer() else f"{place:,.2f}"


def share_chart(
    caption: str, rows: Sequence[str], bands: Sequence[str], shares: Sequence[Sequence[float]]
) -> list[Chart]:
    """Bars, one a row from 0 to 1, of shares that are 1 in all.

    Args:
        caption: Of the chart.
        rows: Names of the bars.
        bands: Names of the parts.
        shares: Of each row by band.

    Returns:
        The chart; nothing where matplotlib is not installed.
    """
    if not is_installed("matplotlib") or not rows:
        return []
    with require("matplotlib", "a chart").rc_context(_STYLE):
        figure = _figure(7.2, 1.2 + 0.4 * len(rows))
        axis = figure.subplots()
        titles: dict[str, list[str]] = {}
        for number, band in enumerate(bands):
            starts = [sum(each[:number]) for each in shares]
            widths = [each[number] for each in shares]
            bars = axis.barh(
                range(len(rows)), widths, left=starts, color=_SERIES[number % len(_SERIES)], alpha=0.85, label=band
            )
            for row, bar in enumerate(bars):
                bar.set_gid(f"bar{number}x{row}")
                titles[f"bar{number}x{row}"] = [f"{rows[row]}, {band}: {widths[row]:.1%}"]
        axis.set_yticks(range(len(rows)), rows)
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        _finish(axis, "share")
        return [Chart(caption, _page_svg(figure, caption, titles))]


def interval_chart(caption: str, rows: Sequence[str], series: Sequence[Series], label: str) -> list[Chart]:
    """Points with intervals, a row each, and a line at 0.

    Args:
        caption: Of the chart.
        rows: Names.
        series: Values by row, with intervals.
        label: Of the horizontal axis.

    Returns:
        The chart; nothing where matplotlib is not installed.
    """
    if not is_installed("matplotlib") or not rows:
        return []
    with require("matplotlib", "a chart").rc_context(_STYLE):
        figure = _figure(7.2, 1.4 + (0.15 + 0.2 * len(series)) * len(rows))
        axis = figure.subplots()
        titles: dict[str, list[str]] = {}
        for number, each in enumerate(series):
            color, places = _SERIES[number % len(_SERIES)], [row + 0.2 * number for row in range(len(rows))]
            axis.hlines(places, each.low, each.high, color=color)
            (line,) = axis.plot(each.values, places, _MARKERS[number % len(_MARKERS)], color=color, label=each.name)
            line.set_gid(f"series{number}")
            titles[f"series{number}"] = [
                f"{row}, {each.name}: {value:+.3f} [{low:+.3f}, {high:+.3f}]"
                for row, value, low, high in zip(rows, each.values, each.low, each.high, strict=True)
            ]
        axis.axvline(0, color=_INK, linewidth=1)
        axis.set_yticks([row + 0.1 * (len(series) - 1) for row in range(len(rows))], rows)
        axis.invert_yaxis()
        _finish(axis, label)
        return [Chart(caption, _page_svg(figure, caption, titles))]


def _figure(width: float, height: float) -> Figure:
    figure: Figure = require("matplotlib.figure", "a chart").Figure(figsize=(width, height), layout="constrained")
    return figure


def _finish(axis: Axes, label: str) -> None:
    axis.set_xlabel(label)
    axis.grid(alpha=0.6)
    axis.set_axisbelow(True)
    axis.figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=10)


def _page_svg(figure: Figure, caption: str, titles: dict[str, list[str]]) -> str:
    """The figure as an element of a page: without ids that another chart may have, and each point with its value."""
    buffer = io.StringIO()
    salt = re.sub(r"\W+", "-", caption)[:40]
    with require("matplotlib", "a chart").rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    for prefix, uri in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, uri)
    root = ElementTree.fromstring(buffer.getvalue())
    for child in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(child)
    _name_points(root, titles)
    _own_ids(root, salt)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", caption)
    text = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, variable)
    return text


def _name_points(root: ElementTree.Element, titles: dict[str, list[str]]) -> None:
    """Give the marks of each named group, in order, their titles, which browsers show where a pointer rests."""
    for element in list(root.iter()):
        if texts := titles.get(element.get("id", "")):
            marks = list(element.iter(f"{{{_SVG}}}use")) or list(element.iter(f"{{{_SVG}}}path"))
            for mark, text in zip(marks, texts, strict=False):
                ElementTree.SubElement(mark, f"{{{_SVG}}}title").text = text


def _own_ids(root: ElementTree.Element, salt: str) -> None:
    """Begin all ids and links with ``salt``, and drop ids that nothing links to."""
    used = set(re.findall(r"#([\w-]+)", ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        if (name := element.attrib.pop("id", None)) in used:
            element.set("id", f"{salt}-{name}")
        for key, value in element.attrib.items():
            link = f"#{salt}-{value[1:]}" if key == f"{{{_XLINK}}}href" else value.replace("url(#", f"url(#{salt}-")
            element.set(key, link)
