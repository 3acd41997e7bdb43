"""Pages whose text is a file of the repository's root, such as CHANGELOG.md.

A page names the file in its front matter, ``include: CHANGELOG.md``; what else it says is for readers of the folder.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of the file, its links into docs/ as links beside the page."""
    if "include" not in page.meta:
        return markdown
    file = Path(config.config_file_path).parent / str(page.meta["include"])
    return file.read_text(encoding="utf-8").replace("](docs/", "](")
