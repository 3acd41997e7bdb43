"""Links from a folder's page to what other commands measured of it afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

LINKED = {
    "ratings/*/results.md": "what people say",
    "best-of-n/report.html": "best of N",
    "best-of-n/overoptimisation.md": "over-optimisation",
}
"""Files within the folder, and what they are called."""

_BEGIN, _END = "<!-- links -->", "<!-- end of links -->"
_LINKS = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)


def links(folder: Path) -> Markup:
    """A paragraph for the page, empty where there is none of :data:`LINKED`."""
    shown = Markup(", ").join(Markup('<a href="{}">{}</a>').format(*each) for each in _known(folder))
    paragraph = Markup("<p>Measured since: {}.</p>").format(shown) if shown else Markup()
    return Markup(_BEGIN) + paragraph + Markup(_END)


def with_links(page: str, folder: Path) -> str:
    """The text of a folder's page with its links brought up to date."""
    shown = str(links(folder))
    return _LINKS.sub(lambda _: shown, page, count=1)


def _known(folder: Path) -> Iterator[tuple[str, str]]:
    """Relative addresses and names; of several campaigns each has its own."""
    for pattern, name in LINKED.items():
        for path in sorted(folder.glob(pattern)):
            campaign = f" ({path.parent.name})" if "*" in pattern else ""
            yield quote(path.relative_to(folder).as_posix()), f"{name}{campaign}"
