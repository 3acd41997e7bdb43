"""Text in files: aligned, as two files line by line or one table with a column for each language; or of one side."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seq2seq_env.tasks.corpora.cleaning import Pair

PACKED = ".gz"

TABLES = ("tsv", "jsonl")

Row = tuple[int, dict[str, Any]]
"""A line's number and its cells by column."""


def files_of(folder: Path, stem: str, *sides: str) -> list[str]:
    """Names of the files that :func:`read_pairs` or :func:`read_sources` would look at, of those that are there."""
    return [path.name for ending in (*sides, *TABLES) if (path := _found(folder, f"{stem}.{ending}"))]


def read_pairs(folder: Path, stem: str, source: str, target: str) -> list[Pair]:
    """The pairs of ``stem``, as they stand in the files.

    They are read from ``stem.source`` and ``stem.target``, line by line, or from ``stem.tsv`` (with a header; quotation
    marks are text) or ``stem.jsonl`` with columns of those names; each may be packed as ``.gz``. UTF-8.

    Raises:
        FileNotFoundError: If there are no such files, naming those that are there.
        ValueError: If several could be meant, or they do not fit together, are corrupt, lack a column or are not UTF-8.
    """
    one, other = _found(folder, f"{stem}.{source}"), _found(folder, f"{stem}.{target}")
    tables = _tables(folder, stem)
    if len(tables) + bool(one and other) > 1:
        raise _repeated(folder, stem, one, other, *tables)
    if one and other:
        left, right = _lines(one), _lines(other)
        if len(left) != len(right):
            raise ValueError(
                f"{one.name} has {len(left):,} lines but {other.name} {len(right):,}; align them line by line"
            )
        return list(zip(left, right, strict=True))
    if not tables:
        raise _missing(folder, stem, f"{stem}.{source} and {stem}.{target}")
    [table] = tables
    return [(_cell(table, row, source), _cell(table, row, target)) for row in _rows(table)]


def read_sources(folder: Path, stem: str, source: str) -> list[str]:
    """The sentences of ``stem`` that have no references, as they stand in the file.

    They are read from ``stem.source``, line by line, or from column ``source`` of a table as :func:`read_pairs` takes
    it.

    Raises:
        FileNotFoundError: If there is no such file, naming those that are there.
        ValueError: As for :func:`read_pairs`.
    """
    lines, tables = _found(folder, f"{stem}.{source}"), _tables(folder, stem)
    if len(tables) + bool(lines) > 1:
        raise _repeated(folder, stem, lines, *tables)
    if lines:
        return _lines(lines)
    if not tables:
        raise _missing(folder, stem, f"{stem}.{source}")
    [table] = tables
    return [_cell(table, row, source) for row in _rows(table)]


def _tables(folder: Path, stem: str) -> list[Path]:
    return [path for kind in TABLES if (path := _found(folder, f"{stem}.{kind}"))]


def _repeated(folder: Path, stem: str, *paths: Path | None) -> ValueError:
    names = ", ".join(path.name for path in paths if path)
    return ValueError(f"{str(folder)!r} holds {stem!r} more than once: {names}; keep one of them")


def _missing(folder: Path, stem: str, lines: str) -> FileNotFoundError:
    there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "no such folder"
    return FileNotFoundError(
        f"no {lines}, and no {stem}.tsv or {stem}.jsonl, in {str(folder)!r} ({there or 'an empty folder'})"
    )


def _rows(table: Path) -> Iterator[Row]:
    return _tsv(table) if table.name.removesuffix(PACKED).endswith(".tsv") else _jsonl(table)


def _found(folder: Path, name: str) -> Path | None:
    paths = [path for path in (folder / name, folder / (name + PACKED)) if path.is_file()]
    if len(paths) > 1:
        raise ValueError(f"{str(folder)!r} holds both {name} and {name}{PACKED}; keep one of them")
    return paths[0] if paths else None


def _lines(path: Path) -> list[str]:
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
    # Only line feeds end a line: str.splitlines would also split at separators that text may hold.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _tsv(path: Path) -> Iterator[Row]:
    head, *lines = [line.split("\t") for line in _lines(path)] or [[]]
    if len(set(head)) < len(head):
        raise ValueError(f"{str(path)!r} names a column twice: {', '.join(head)}; give each a name of its own")
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(head):
            raise ValueError(
                f"line {number} of {str(path)!r} has {len(cells)} cells, the header {len(head)}; take tabs out of the "
                "text"
            )
        yield number, dict(zip(head, cells, strict=True))


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} of {str(path)!r} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} of {str(path)!r} is no JSON object; write one with a key for each column")
        yield number, row


def _cell(path: Path, row: Row, column: str) -> str:
    number, cells = row
    text = cells.get(column)
    if not isinstance(text, str):
        raise ValueError(
            f"line {number} of {str(path)!r} has no text in column {column!r}; its columns are {', '.join(cells)}"
        )
    if not text.isascii() and text.encode(errors="ignore").decode() != text:
        raise ValueError(f"line {number} of {str(path)!r} holds half a character in column {column!r}; write it whole")
    return text
