"""Page of a report: what ``results.md`` has, with charts and translations, in one file that loads nothing."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from experiments.reports.page.charts import Chart
from experiments.reports.page.links import links, with_links
from experiments.reports.page.translations import SideBySide
from experiments.reports.tables import Table
from seq2seq_env.atomic_files import write_text

PAGE = "report.html"

_FOLDER = Path(__file__).parent
_CODE = re.compile(r"`([^`]*)`")
_LIBRARIES = ("seq2seq-env", "torch", "transformers", "tokenizers", "numpy", "sacrebleu", "gymnasium")


@dataclass
class Section:
    """Under one heading: charts, then paragraphs, then tables."""

    title: str
    charts: Sequence[Chart] = ()
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def write_page(
    folder: Path,
    parts: Sequence[str],
    charts: Mapping[str, Sequence[Chart]],
    translations: SideBySide | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write ``report.html``.

    Args:
        folder: Of the run.
        parts: Those of ``results.md``: title, verdict, then headings with paragraphs and tables. Pictures, and sections
            of nothing else, are left out.
        charts: By the heading that they stand under.
        translations: Of two policies; None leaves the table out.
        provenance: What made the results, by name.
    """
    title, verdict, sections = _sections(parts)
    for section in sections:
        section.charts = charts.get(section.title, ())
    script = (_FOLDER / "page.js").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["code"] = _code
    text = environment.get_template("page.html.jinja").render(
        title=title,
        verdict=verdict,
        links=links(folder),
        sections=[each for each in sections if each.tables or each.texts],
        table=translations,
        worst=translations.worst if translations else None,
        provenance=_with_versions(provenance),
        css=Markup((_FOLDER / "page.css").read_text("utf-8")),  # our own file
        script=Markup(script),  # our own file
        script_hash=f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )
    # Half a surrogate pair cannot be written; a hypothesis shows it by its number.
    write_text(folder / PAGE, text)


def refresh_links(folder: Path) -> None:
    """Have a folder's page, where it has one, link to what was measured since it was written."""
    page = folder / PAGE
    if page.is_file():
        write_text(page, with_links(page.read_text("utf-8"), folder))


def _sections(parts: Sequence[str]) -> tuple[str, list[str], list[Section]]:
    """The title, the sentences before the first heading, and the sections; a table before it is one of its own."""
    title, verdict, sections = "", [], [Section("At a glance")]
    for part in parts:
        if part.startswith("# "):
            title = part.removeprefix("# ")
        elif part.startswith("## "):
            sections.append(Section(part.removeprefix("## ")))
        elif isinstance(part, Table):
            sections[-1].tables.append(part)
        elif len(sections) == 1:
            verdict.append(part)
        elif not part.startswith("!["):
            sections[-1].texts.append(part)
    return title, verdict, sections


def _code(text: str) -> Markup:
    """Escaped, with what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # escaped before


def _with_versions(provenance: Mapping[str, Any]) -> dict[str, str]:
    versions = {"Python": python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: str(value) for name, value in provenance.items()} | {
        f"version of {name}": value for name, value in versions.items()
    }
