"""Aligned text in files: two files line by line, or one table with a column for each language."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from seq2seq_env.tasks.cleaning import Pair

TABLES = (".tsv", ".jsonl")
PACKED = ".gz"


def read_pairs(folder: Path, stem: str, source: str, target: str) -> list[Pair]:
    """The pairs of ``stem``, as they stand in the files.

    They are read from ``stem.source`` and ``stem.target``, line by line, or from ``stem.tsv`` (with a header) or
    ``stem.jsonl`` with columns of those names; each may be packed as ``.gz``. UTF-8.

    Raises:
        FileNotFoundError: If there are no such files, naming those that are there.
        ValueError: If they do not fit together, lack a column, or are not UTF-8.
    """
    table = next((path for kind in TABLES if (path := _found(folder, stem + kind))), None)
    one, other = _found(folder, f"{stem}.{source}"), _found(folder, f"{stem}.{target}")
    if one and other:
        left, right = _lines(one), _lines(other)
        if len(left) != len(right):
            raise ValueError(
                f"{one.name} has {len(left):,} lines but {other.name} {len(right):,}; align them line by line"
            )
        return list(zip(left, right, strict=True))
    if table is None:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"no {stem}.{source} and {stem}.{target}, and no {stem}.tsv or {stem}.jsonl, in {str(folder)!r} "
            f"({there or 'an empty folder'})"
        )
    return list(_rows(table, source, target))


def _found(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / (name + PACKED)) if path.is_file()), None)


def _read(path: Path) -> str:
    raw = path.read_bytes()
    if path.suffix == PACKED:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError) as error:
            raise ValueError(f"{str(path)!r} cannot be unpacked ({error}); make it again with gzip") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{str(path)!r} is not UTF-8 (line {line}: {error.reason}); convert it, say with iconv -f latin1 -t utf-8"
        ) from error


def _lines(path: Path) -> list[str]:
    # Only line feeds end a line: str.splitlines would also split at separators that text may hold.
    return [line.removesuffix("\r") for line in _read(path).removesuffix("\n").split("\n")]


def _rows(path: Path, source: str, target: str) -> Iterator[Pair]:
    text = io.StringIO(_read(path), newline="")
    reader = _tsv(text) if ".tsv" in path.suffixes else _jsonl(text, path)
    for number, row in enumerate(reader, start=1):
        for name in (source, target):
            if not isinstance(row.get(name), str):
                raise ValueError(
                    f"row {number} of {str(path)!r} has no text in column {name!r}; its columns are "
                    f"{', '.join(map(str, row))}"
                )
        yield row[source], row[target]


def _tsv(text: TextIO) -> Iterator[dict[str, Any]]:
    # Quotation marks are text, as in the corpora of WMT.
    return iter(csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE))


def _jsonl(text: TextIO, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number} of {str(path)!r} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} of {str(path)!r} is no JSON object; write one with a key for each column")
        yield row
