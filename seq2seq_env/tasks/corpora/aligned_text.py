"""Text in files: aligned, as two files line by line or one table with a column for each language; or of one side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seq2seq_env.tasks.corpora.cleaning import Pair
from seq2seq_env.tasks.corpora.tables import PACKED, Row, read_jsonl, read_lines, read_tsv

TABLES = ("tsv", "jsonl")


def files_of(folder: Path, stem: str, *sides: str) -> list[str]:
    """Names of the files that :func:`read_pairs` or :func:`read_sources` would look at, of those that are there."""
    return [path.name for ending in (*sides, *TABLES) if (path := _found(folder, f"{stem}.{ending}"))]


def read_pairs(folder: Path, stem: str, source: str, target: str) -> list[Pair]:
    """The pairs of ``stem``, as they stand in the files.

    They are read from ``stem.source`` and ``stem.target``, line by line, or from ``stem.tsv`` (with a header; quotation
    marks are text, but for a spreadsheet's) or ``stem.jsonl`` with columns of those names; each may be packed as
    ``.gz``. UTF-8.

    Raises:
        FileNotFoundError: If there are no such files, naming those that are there.
        ValueError: If several could be meant, or they do not fit together, are corrupt, lack a column or are not UTF-8.
    """
    one, other = _found(folder, f"{stem}.{source}"), _found(folder, f"{stem}.{target}")
    tables = _tables(folder, stem)
    if len(tables) + bool(one and other) > 1:
        raise _repeated(folder, stem, one, other, *tables)
    if one and other:
        left, right = read_lines(one), read_lines(other)
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
        return read_lines(lines)
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
    return read_tsv(table) if table.name.removesuffix(PACKED).endswith(".tsv") else read_jsonl(table)


def _found(folder: Path, name: str) -> Path | None:
    paths = [path for path in (folder / name, folder / (name + PACKED)) if path.is_file()]
    if len(paths) > 1:
        raise ValueError(f"{str(folder)!r} holds both {name} and {name}{PACKED}; keep one of them")
    return paths[0] if paths else None


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
