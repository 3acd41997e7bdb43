"""Lines of text files, and the columns of systems' translations, for commands that read whole files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.cli.line_files import open_lines

HYPOTHESES = ("hypothesis", "greedy", "sample")
"""Columns of JSON Lines that hold translations, the first that is there by default: ``rest translate --json`` writes
the first of them, a run's ``hypotheses/`` the others."""


@dataclass(frozen=True)
class System:
    """A system's translations.

    Attributes:
        name: For tables.
        hypotheses: N.
        sources: N, where the file has them.
        references: N, where the file has them.
    """

    name: str
    hypotheses: list[str]
    sources: list[str] | None = None
    references: list[str] | None = None


def read_text(path: Path | None) -> list[str]:
    """The lines of a file in UTF-8, or of standard input.

    Raises:
        ValueError: If there are none, or one is not UTF-8.
        OSError: If the file cannot be read.
    """
    with open_lines((), path) as lines:
        texts = list(lines)
        if not texts:
            raise ValueError(f"there is no line in {lines.name}; give it one")
    return texts


def read_system(path: Path, column: str | None = None) -> System:
    """The translations in a file: a text a line, or JSON Lines where its name ends in .jsonl.

    Args:
        path: The file.
        column: Of the translations, in JSON Lines; None takes the first of :data:`HYPOTHESES` that is there.

    Raises:
        ValueError: If a line is no JSON object, lacks the column, or holds no text there.
        OSError: If the file cannot be read.
    """
    lines = read_text(path)
    if path.suffix != ".jsonl":
        if column is not None:
            raise ValueError(f"{str(path)!r} has no columns; leave --column out, or name a .jsonl file")
        return System(str(path), lines)
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {number} of {str(path)!r} is no JSON object ({error}); mend it") from error
    chosen = column or next((name for name in HYPOTHESES if name in rows[0]), HYPOTHESES[0])
    texts = {name: _column(rows, name, path) for name in (chosen, "source", "reference") if name in (chosen, *rows[0])}
    return System(f"{path} ({chosen})", texts[chosen], texts.get("source"), texts.get("reference"))


def check_aligned(texts: dict[str, Sequence[str]]) -> None:
    """Refuse texts that are not line by line the same sentences.

    Raises:
        ValueError: If they differ in number, naming all.
    """
    if len({len(each) for each in texts.values()}) > 1:
        counts = ", ".join(f"{name} {len(each):,}" for name, each in texts.items())
        raise ValueError(f"the files differ in their numbers of lines: {counts}; give one line for each sentence")


def _column(rows: Sequence[dict[str, Any]], name: str, path: Path) -> list[str]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get(name), str):
            raise ValueError(
                f"line {number} of {str(path)!r} has no text {name!r}; its columns are {', '.join(map(str, row))}"
            )
    return [row[name] for row in rows]
