"""Lines and tables in files: UTF-8, with or without a byte-order mark, packed or not; a line feed alone ends a line."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKED = ".gz"

Row = tuple[int, dict[str, Any]]
"""A line's number and its cells by column."""

_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def read_lines(path: Path) -> list[str]:
    """The lines of a file, without their ends; of a packed one where its name ends in ``.gz``.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not UTF-8, cannot be unpacked, or its lines end in carriage returns alone.
    """
    raw = path.read_bytes()
    if path.suffix == PACKED:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{str(path)!r} cannot be unpacked ({error}); make it again with gzip") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        likely = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "latin1"
        raise ValueError(
            f"{str(path)!r} is not UTF-8 (line {line}: {error.reason}); convert it, say with iconv -f {likely} -t utf-8"
        ) from error
    if "\r" in text and "\n" not in text:
        raise ValueError(
            f"the lines of {str(path)!r} end in carriage returns; write line feeds, say with tr '\\r' '\\n'"
        )
    # str.splitlines would also split at separators that text may hold.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def read_tsv(path: Path) -> Iterator[Row]:
    """The rows of a tab-separated table with a header; lines without anything are passed over, as in JSON Lines.

    Quotation marks are text, but for those of a cell that a spreadsheet quoted: it stands in marks, and those inside
    it are doubled. Where the header's cells are all in marks, every cell is.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no text, names a column twice, or a line has another number of cells, naming the line.
    """
    lines = read_lines(path)
    head = lines[0].split("\t") if lines else []
    always = all(_QUOTED.fullmatch(cell) and len(cell) > 2 for cell in head)
    head = [_unquoted(cell, always) for cell in head]
    check_header(path, head)
    for number, line in enumerate(lines[1:], start=2):
        # Of a single column an empty line is an empty text.
        if not line and len(head) > 1:
            continue
        cells = [_unquoted(cell, always) for cell in line.split("\t")]
        check_cells(path, number, len(cells), len(head))
        yield number, dict(zip(head, cells, strict=True))


def check_header(path: Path, head: list[str]) -> None:
    """Refuse a table that names a column twice.

    Raises:
        ValueError: If one is.
    """
    if len(set(head)) < len(head):
        raise ValueError(f"{str(path)!r} names a column twice: {', '.join(head)}; give each a name of its own")


def check_cells(path: Path, number: int, cells: int, columns: int, separator: str = "tabs") -> None:
    """Refuse a line that does not fit the header.

    Raises:
        ValueError: If it has more or fewer cells.
    """
    if cells != columns:
        remedy = f"take {separator} out of the text" if cells > columns else "give every column a cell, on one line"
        raise ValueError(f"line {number} of {str(path)!r} has {cells} cells, the header {columns}; {remedy}")


def read_jsonl(path: Path) -> Iterator[Row]:
    """The objects of a file of JSON Lines.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no text, or a line is no JSON object, naming the line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} of {str(path)!r} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} of {str(path)!r} is no JSON object; write one with a key for each column")
        yield number, row


def _unquoted(cell: str, always: bool) -> str:
    """A cell without the marks of a spreadsheet, which quotes where it must; of other tables, ``always``."""
    inner = cell[1:-1]
    if _QUOTED.fullmatch(cell) and (always or '""' in inner):
        return inner.replace('""', '"')
    return cell
