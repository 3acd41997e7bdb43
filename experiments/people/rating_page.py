"""Rating page: a campaign in one file that loads nothing, for raters without Pearmut."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from experiments.people.answers import LETTERS
from experiments.people.campaign import Campaign
from experiments.reports.page import page
from experiments.reports.page.differences import shown
from seq2seq_env.atomic_files import write_text
from seq2seq_env.writing import is_spaced

PAGE = "rate.html"

_FOLDER = Path(__file__).parent
_LONG = 600
"""Characters of a text above which it scrolls in a box of its own."""


@dataclass(frozen=True)
class Text:
    """A text to read, as a page may show it.

    Attributes:
        text: On one line, with control characters made visible.
        long: Whether it scrolls in a box of its own.
    """

    text: str
    long: bool


def write_rating_page(folder: Path, campaign: Campaign, name: str, *, reference: bool = False) -> Path:
    """Write the page of a campaign, which says nothing of systems.

    Args:
        folder: Of the campaign.
        campaign: What is rated.
        name: Of the export, for the name of the file that the page saves.
        reference: Whether raters see the reference.
    """
    items = [
        {
            "name": item.name,
            "source": _shown(item.source),
            "reference": _shown(item.reference) if reference else None,
            "candidates": dict(zip(LETTERS, (_shown(each.text) for each in item.candidates), strict=False)),
        }
        for item in campaign.items
    ]
    script = (_FOLDER / "rating.js").read_text("utf-8")
    style = (Path(page.__file__).with_name("page.css"), _FOLDER / "rating.css")  # the report's colours
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["hashed"] = _hashed
    text = environment.get_template("rating.html.jinja").render(
        campaign=campaign.fingerprint,
        name=name,
        rules=campaign.rules,
        items=items,
        spaced=is_spaced(each.text for item in campaign.items for each in item.candidates),
        css=Markup("".join(file.read_text("utf-8") for file in style)),  # our own files
        script=Markup(script),  # our own file
    )
    write_text(folder / PAGE, text)
    return folder / PAGE


def _shown(text: str) -> Text:
    return Text(shown(text, None), len(text) > _LONG)


def _hashed(script: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
