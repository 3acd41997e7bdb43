"""The page of a report: complete in itself, readable, and safe to open."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from experiments.reports.page.charts import Series, line_chart
from experiments.reports.page.page import PAGE, refresh_links, write_page
from experiments.reports.page.translations import side_by_side
from experiments.reports.tables import table

HOSTILE = [
    "<script>document.body.dataset.hacked = 'yes'</script>",
    "<img src=x onerror=\"document.body.dataset.hacked = 'yes'\">",
    "</bdi></td></tr></table><style>body { display: none }</style>",
    "{{ 7 * 7 }} {% for x in y %}",
    "\u202eevil \u2066text",
    "long " * 2_000,
    "half \ud800 pair",
]
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


class Reader(HTMLParser):
    """What a browser would make of a page, as far as these tests go."""

    VOID = ("meta", "br", "input", "img", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def lines(texts: list[str], reward: float, quality: float) -> list[dict[str, Any]]:
    return [
        {"source": text, "reference": text, "greedy": text, "greedy_reward": reward, "greedy_oracle": quality}
        for text in texts
    ]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with a chart, tables, and hostile translations, of which the last policy's are longer by a word."""
    parts = [
        "# ReST on <task>", "True quality: `better` <b>by much</b>.", "Reward hacking: not seen.",
        table(["a"], [["<i>"]]),
        "## Test sources, by step", "A paragraph.", table(["step", "reward"], [["supervised", "0.5"]]),
        "![steps.png](steps.png)", "## Nothing",
    ]  # fmt: skip
    chart = line_chart("Steps.", [Series("reward", [0.5, 0.7])], ["supervised", "G=1 I=1"], "step")
    pairs = side_by_side(
        lines(HOSTILE, 0.72, 1.0), lines([f"{each} more" for each in HOSTILE], 0.98, 0.29), ("supervised", "G=1 I=1"),
        {"copy": [True, *[False] * (len(HOSTILE) - 1)]},
    )  # fmt: skip
    write_page(tmp_path, parts, {"Test sources, by step": chart}, pairs, {"seed": 0, "scorer": "<x>"})
    return tmp_path / PAGE


def test_the_verdict_comes_first(page: Path) -> None:
    text = page.read_text("utf-8")
    reader = Reader(text)
    assert reader.open == []
    seen = " ".join(reader.text)
    places = [
        seen.index(each) for each in ("True quality", "Reward hacking", "The row to look at first", "At a glance")
    ]
    assert places == sorted(places)
    assert "the reward rose from 0.72 to 0.98, and true quality fell from 1.00 to 0.29" in seen
    assert "<code>better</code> &lt;b&gt;by much" in text
    assert "Nothing" not in seen
    assert "steps.png" not in seen
    target = next(link["href"] for link in reader.all("a") if (link["href"] or "").startswith("#pair"))
    assert target == "#pair1"
    assert [row.get("class") for row in reader.all("tr") if row.get("id") == "pair1"] == ["pointed"]


def test_nothing_is_loaded(page: Path) -> None:
    text = page.read_text("utf-8")
    reader = Reader(text)
    for tag, attributes in reader.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                assert (value or "").startswith("#")
    assert not re.search(r"url\((?!#)|@import", text)
    (policy,) = (each["content"] for each in reader.all("meta") if each.get("http-equiv"))
    assert (policy or "").startswith("default-src 'none';")
    assert len(reader.all("script")) == 1
    assert page.stat().st_size < 200_000


def test_hostile_translations_are_text(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "<script>document" not in text
    assert "&lt;script&gt;document" in text
    assert "{{ 7 * 7 }}" in text
    assert not set(text) & set("\u202e\u2066")
    assert "⟨U+202E⟩" in text
    assert "⟨U+D800⟩" in text
    assert "(10,000 characters)" in text
    assert "long " * 200 not in text
    rows = [row for row in Reader(text).all("tr") if "data-flags" in row]
    assert [row["data-flags"] for row in rows] == ["changed worse guard", *["changed worse"] * (len(HOSTILE) - 1)]


def test_headings_tables_and_controls_have_names(page: Path) -> None:
    reader = Reader(page.read_text("utf-8"))
    assert reader.all("html") == [{"lang": "en"}]
    assert [name for name, _ in reader.tags if re.fullmatch("h[1-6]", name)][:2] == ["h1", "h2"]
    assert all(cell.get("scope") for cell in reader.all("th"))
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in reader.all("svg"))
    assert all(region.get("aria-label") for _, region in reader.tags if region.get("role") == "region")
    assert any(each.get("content") == "width=device-width, initial-scale=1" for each in reader.all("meta"))
    identifiers = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = {(link["href"] or "")[1:] for link in reader.all("a")}
    assert links <= set(identifiers)


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_enough_by_wcag_aa_in_light_and_dark(page: Path) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    css = page.read_text("utf-8").split("<style>")[1].split("</style>")[0]
    light, dark = (dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6});", block)) for block in css.split("@media")[:2])
    assert light.keys() == dark.keys()
    for scheme in (light, dark):
        for ink, papers in {
            "ink": ("paper", "panel", "mark"), "quiet": ("paper", "panel", "mark"), "link": ("paper", "panel"),
            "gone": ("gone-paper",), "new": ("new-paper",),
        }.items():  # fmt: skip
            for paper in papers:
                assert contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper)
        for name in scheme:
            if name.startswith("series") or name == "grid":  # what is no text wants 3
                assert contrast(scheme[name], scheme["paper"]) >= 3, name


def browse(path: Path, folder: Path) -> tuple[str, str]:
    """The document that Chromium makes of a page, and what it has to say."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={folder}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium among the system's packages")
def test_a_browser_executes_the_pages_script_and_no_other(page: Path, tmp_path: Path) -> None:
    shown, console = browse(page, tmp_path / "browser")
    assert f">{len(HOSTILE)} of {len(HOSTILE)} rows</output>" in shown  # the script ran under its own policy
    assert "data-hacked" not in shown
    assert console == ""
    # Without the policy, so that the test may search as a reader does.
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text("utf-8"))
    act = """<script>
      document.getElementById("search").value = "onerror";
      document.getElementById("search").dispatchEvent(new Event("input"));
      document.querySelector("[data-flag=worse]").click();
      document.getElementById("order").value = "number";
      document.getElementById("order").dispatchEvent(new Event("change"));
    </script></body>"""
    page.write_text(text.replace("</body>", act), "utf-8")
    shown, console = browse(page, tmp_path / "browser")
    assert f">1 of {len(HOSTILE)} rows</output>" in shown
    assert "data-hacked" not in shown
    assert console == ""


def test_a_page_links_to_what_was_measured_since(tmp_path: Path) -> None:
    write_page(tmp_path, ["# Title", "Verdict."], {}, None, {})
    page = tmp_path / PAGE
    before = page.read_text("utf-8")
    assert not Reader(before).all("a")[0]["href"].startswith("ratings")  # type: ignore[union-attr]
    for name in ("ratings/a b/results.md", "ratings/esa/key.json", "best-of-n/overoptimisation.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    refresh_links(tmp_path)
    refresh_links(tmp_path)
    links = [each["href"] for each in Reader(page.read_text("utf-8")).all("a")]
    assert links[:2] == ["ratings/a%20b/results.md", "best-of-n/overoptimisation.md"]
    assert sum("results.md" in str(link) for link in links) == 1
    refresh_links(tmp_path / "no page")
