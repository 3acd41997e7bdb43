"""Charts of a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from experiments.reports.page import charts
from experiments.reports.page.charts import Series, interval_chart, line_chart, share_chart

pytest.importorskip("matplotlib")

SERIES = [Series("reward", [0.5, 0.7], [0.4, 0.6], [0.6, 0.8]), Series("quality", [0.6, 0.55])]


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("title")]


def test_every_point_says_its_value() -> None:
    (chart,) = line_chart("Steps.", SERIES, ["supervised", "G=1 I=1"], "step")
    assert titles(chart.svg) == [
        "reward, supervised: 0.500", "reward, G=1 I=1: 0.700", "quality, supervised: 0.600", "quality, G=1 I=1: 0.550",
    ]  # fmt: skip
    assert 'role="img"' in chart.svg
    assert 'aria-label="Steps."' in chart.svg
    assert ">G=1 I=1</text>" in chart.svg
    (again,) = line_chart("Steps.", SERIES, ["supervised", "G=1 I=1"], "step")
    assert again == chart


def test_named_places_stand_on_an_axis_from_0_to_1_and_another_axis_says_where_it_begins() -> None:
    (steps,) = line_chart("Steps.", SERIES, ["a", "b"], "step")
    assert {">0.0</text>", ">1.0</text>"} <= set(re.findall(r">[^<]*</text>", steps.svg))
    (curve,) = line_chart("Curve.", [Series("x", [0.8, 0.9], places=[0, 1000])], [], "tokens")
    assert "tokens; the upright axis begins at 0.8" in curve.svg.replace("0.79", "0.8")
    assert titles(curve.svg) == ["x, 0: 0.800", "x, 1,000: 0.900"]


def test_bars_and_intervals_say_their_values() -> None:
    (bars,) = share_chart("Shares.", ["one", "two"], ["low", "high"], [[0.25, 0.75], [0.5, 0.5]])
    assert titles(bars.svg) == ["one, low: 25.0%", "two, low: 50.0%", "one, high: 75.0%", "two, high: 50.0%"]
    gains = [Series("gain", [0.1, -0.2], [0.05, -0.3], [0.15, -0.1])]
    (points,) = interval_chart("Gains.", ["a", "b"], gains, "gain")
    assert titles(points.svg) == ["a, gain: +0.100 [+0.050, +0.150]", "b, gain: -0.200 [-0.300, -0.100]"]


def test_colours_are_the_pages_and_ids_are_no_other_charts() -> None:
    one, other = (line_chart(caption, SERIES, ["a", "b"], "step")[0].svg for caption in ("One.", "Other."))
    assert not re.search(r"#[0-9a-f]{6}", one)
    assert "var(--ink)" in one
    assert "var(--series2)" in one
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:href="|url\()#([\w.-]+)', one)) <= ids[0]


def test_without_matplotlib_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "is_installed", lambda module: False)
    assert line_chart("Steps.", SERIES, ["a", "b"], "step") == []
    assert share_chart("Shares.", ["a"], ["b"], [[1.0]]) == []
    assert interval_chart("Gains.", ["a"], SERIES, "gain") == []


def test_no_two_of_many_curves_look_alike() -> None:
    (chart,) = line_chart("Many.", [Series(str(number), [0.1, 0.2]) for number in range(12)], ["a", "b"], "step")
    line, marker = r'<path d="[^"]*" clip-path="[^"]*" style="([^"]*)" />', r'<path d="([^"]*)"'
    looks = re.findall(rf"{line}\s*<defs>\s*{marker}", chart.svg)
    assert len(looks) == len(set(looks)) == 12
