"""The code blocks of a Markdown page, and what their marks ask of the tests.

Fences of ``python`` and ``bash`` run in the order of the page. A comment on the line before a fence changes that:
``<!-- test: slow -->`` leaves it to ``pytest -m slow``, and ``<!-- test: parse, REASON -->`` has it parsed alone, where
it cannot run: a model hub, a cluster, another checkout. Fences of other languages are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Literal

Mode = Literal["run", "slow", "parse"]

ALIASES = {"py": "python", "python3": "python", "pycon": "python", "sh": "bash", "shell": "bash", "console": "bash"}
"""Names of fences that would run under the other name, and so would escape the tests."""

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)$")
_MARK = re.compile(r"^[ \t]*<!--\s*test\b:?\s*(?P<mark>.*?)\s*-->[ \t]*$")


@dataclass(frozen=True)
class Block:
    """A fence that tests run or parse.

    Attributes:
        page: Path of the page, as failures name it.
        line: Of the opening fence, from 1.
        language: "python" or "bash".
        code: Its lines, without the fence's indentation.
        mode: What the mark before it says.
    """

    page: str
    line: int
    language: str
    code: str
    mode: Mode

    @property
    def place(self) -> str:
        """Page and line, as editors open them."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """A page's blocks in order.

    Attributes:
        name: Path of the page, as failures name it.
        blocks: In the order of the page.
        faults: A sentence for each fence or mark that says nothing clear, with page and line.
    """

    name: str
    blocks: list[Block]
    faults: list[str]


def documentation(root: Path) -> list[Page]:
    """The pages of a checkout: those at the top that hold commands, and all under ``docs``."""
    top = [root / name for name in ("README.md", "CONTRIBUTING.md")]
    paths = [path for path in top if path.is_file()] + sorted((root / "docs").rglob("*.md"))
    return [read_page(path.relative_to(root).as_posix(), path.read_text("utf-8")) for path in paths]


def read_page(name: str, text: str) -> Page:
    """Find the blocks of a page."""
    page = Page(name, [], [])
    mark: tuple[int, str] | None = None  # of the line before
    lines = enumerate([*text.splitlines(), ""], start=1)
    for number, line in lines:
        fence = _FENCE.match(line)
        if mark and not fence:
            page.faults.append(f"{name}:{mark[0]}: no fence follows the mark; put it on the line before one")
        if fence:
            code, closed = _fenced(lines, fence["ticks"])
            if not closed:
                page.faults.append(f"{name}:{number}: the fence is not closed")
            _add(page, number, _language(fence["info"]), code, mark)
        found = _MARK.match(line)
        mark = (number, found["mark"]) if found else None
    return page


def _fenced(lines: Iterator[tuple[int, str]], ticks: str) -> tuple[list[str], bool]:
    """The lines up to the end of a fence, and whether there is one."""
    closing = re.compile(rf"^[ \t]*{re.escape(ticks[0])}{{{len(ticks)},}}[ \t]*$")
    code: list[str] = []
    for _, line in lines:
        if closing.match(line):
            return code, True
        code.append(line)
    return code, False


def _language(info: str) -> str:
    """First word of what stands behind the ticks: "python" of ``python title="x"`` and of ``{ .python .annotate }``."""
    word = re.match(r"\{?[ .]*([\w+-]*)", info)
    return word[1].lower() if word else ""


def _add(page: Page, line: int, language: str, code: list[str], mark: tuple[int, str] | None) -> None:
    place = f"{page.name}:{line}"
    if language in ALIASES:
        page.faults.append(f"{place}: write {ALIASES[language]} in place of {language}, which no test would run")
    if language not in ("python", "bash"):
        if mark:
            page.faults.append(f"{page.name}:{mark[0]}: the mark stands before a fence that no test runs")
        return
    mode: Mode = "run"
    if mark:
        kind, _, reason = (part.strip() for part in mark[1].partition(","))
        if kind == "slow" and not reason:
            mode = "slow"
        elif kind == "parse" and reason:
            mode = "parse"
        elif kind == "parse":
            page.faults.append(f"{page.name}:{mark[0]}: say why the block cannot run: <!-- test: parse, REASON -->")
        else:
            page.faults.append(
                f"{page.name}:{mark[0]}: unknown mark {mark[1]!r}; write 'test: slow' or 'test: parse, REASON'"
            )
    page.blocks.append(Block(page.name, line, language, dedent("\n".join(code)) + "\n", mode))
