"""Trajectories as JSON Lines: one object a line.

Shape letters: S source length, T target length.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from buffers.interop.atomic_write import atomic_write
from buffers.interop.rows import Chunk, Row, chunks, in_chunks, join, join_all, rows
from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories
from seq2seq_env.tokenization.tokenizer import Tokenizer

Line = tuple[int, bytes]
"""A line and its number, from 1."""


def to_jsonl(data: Slice, path: str | Path, *, tokenizer: Tokenizer | None = None, progress: bool = False) -> None:
    """Write a slice as JSON Lines, gzip where the name ends in ``.gz``; the same slice gives the same bytes.

    A line has ``source_index`` (int), ``source_tokens`` (S ints), ``target_tokens`` (T ints), ``log_prob`` (T numbers),
    ``reward`` (number), ``terminated`` and ``is_reference`` (true or false), and, which no reader of ours asks for,
    ``grow_step`` and ``candidate`` (ints, see :class:`buffers.interop.rows.Chunk`). Numbers have the fewest digits that
    give the same float32 again. NaN, which JSON lacks, is null: ``reward`` where nobody scored, ``log_prob`` as a whole
    where the behaviour policy's are unknown. What JSON Lines cannot hold: which shard a trajectory is of, and what
    made it.

    Args:
        data: Read in pieces.
        path: The file to make.
        tokenizer: Adds the decoded ``source_text`` and ``target_text``.
        progress: Show trajectories done, rate and time left.

    Raises:
        FileExistsError: If there is a file.
        OSError: If it cannot be written; nothing is left behind.
    """
    with atomic_write(Path(path)) as partial, partial.open("wb") as raw, _packed(raw, Path(path)) as file:
        for part in chunks(data, progress=progress):
            for record in _records(part, tokenizer):
                text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
                file.write(text.encode() + b"\n")


def from_jsonl(path: str | Path) -> Trajectories:
    """The trajectories of a file that :func:`to_jsonl` wrote, or of one like it; keys beyond its own are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is corrupt, naming file and line.
    """
    path = Path(path)
    return join_all(_join(path, chunk) for chunk in in_chunks(numbered_lines(path)))


@contextmanager
def _packed(raw: BinaryIO, path: Path) -> Iterator[Any]:
    if path.suffix != ".gz":
        yield raw
        return
    # Neither name nor time, so that the same contents give the same bytes.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as file:
        yield file


def _records(chunk: Chunk, tokenizer: Tokenizer | None) -> Iterator[dict[str, Any]]:
    part = chunk.trajectories
    log_prob = _shortest(part.log_prob)
    reward = _shortest(part.reward) if part.is_scored else None
    for index, row in enumerate(rows(part)):
        record = {
            "source_index": row.source_index,
            "source_tokens": row.source_tokens.tolist(),
            "target_tokens": row.target_tokens.tolist(),
            "log_prob": None if np.isnan(row.log_prob[0]) else log_prob[slice(*part.offsets[index : index + 2])],
            "reward": None if reward is None else reward[index],
            "terminated": row.terminated,
            "is_reference": row.is_reference,
            "grow_step": int(chunk.grow_step[index]),
            "candidate": int(chunk.candidate[index]),
        }
        if tokenizer is not None:
            texts = tokenizer.decode([record["source_tokens"], record["target_tokens"]])
            record["source_text"], record["target_text"] = texts
        yield record


def _shortest(values: NDArray[np.float32]) -> list[float]:
    """Floats that print in as few digits as the float32 does, and give the same float32 again."""
    short = values.astype(np.str_).astype(np.float64)
    # The shortest text is made for readers of float32; a reader of float64 could round it to the other neighbour.
    exact: list[float] = np.where(short.astype(np.float32) == values, short, values).tolist()
    return exact


def numbered_lines(path: Path) -> Iterator[Line]:
    """The lines of a file, unpacked where its name ends in ``.gz``.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it cannot be unpacked, naming file and line.
    """
    number = 0
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise corrupt_line(path, number + 1, str(error)) from error


def _join(path: Path, lines: Sequence[Line]) -> Trajectories:
    try:
        return join([_row(line) for _, line in lines])
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        number, why = _first_bad(lines) or (lines[0][0], f"{error}, here or in the {len(lines) - 1} lines that follow")
        raise corrupt_line(path, number, why) from error


def _first_bad(lines: Iterable[Line]) -> tuple[int, str] | None:
    for number, line in lines:
        try:
            join([_row(line)])
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            return number, str(error)
    return None


def _row(line: bytes) -> Row:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise TypeError(f"it holds a {type(record).__name__}, not an object")
    missing = [name for name in Row._fields if name not in record]
    if missing:
        raise ValueError(f"{missing[0]!r} is missing")
    target = _list(record, "target_tokens", int)
    log_prob = [math.nan] * len(target) if record["log_prob"] is None else _list(record, "log_prob", float, int)
    reward = math.nan if record["reward"] is None else _checked(record, "reward", float, int)
    return Row(
        source_index=_checked(record, "source_index", int),
        source_tokens=np.array(_list(record, "source_tokens", int), dtype=np.int32),
        target_tokens=np.array(target, dtype=np.int32),
        log_prob=_float32(log_prob),
        reward=_float32([reward])[0],
        terminated=_checked(record, "terminated", bool),
        is_reference=_checked(record, "is_reference", bool),
    )


def _float32(values: list[float]) -> NDArray[np.float32]:
    """Numbers beyond float32 become infinite, which no trajectory takes."""
    with np.errstate(over="ignore"):
        return np.array(values, dtype=np.float32)


def _list(record: dict[str, Any], name: str, *kinds: type) -> list[Any]:
    values = _checked(record, name, list)
    if not all(type(value) in kinds for value in values):
        raise TypeError(f"{name!r} has an entry that is no {kinds[0].__name__}")
    return list(values)


def _checked(record: dict[str, Any], name: str, *kinds: type) -> Any:
    if type(record[name]) not in kinds:  # not isinstance, by which true is an int
        raise TypeError(f"{name!r} is a {type(record[name]).__name__}, not a {kinds[0].__name__}")
    return record[name]


def corrupt_line(path: Path, number: int, why: str) -> ValueError:
    """The error of a line that is not what it should be."""
    return ValueError(f"{str(path)!r}, line {number} is corrupt: {why}; mend or delete that line, or export anew")
