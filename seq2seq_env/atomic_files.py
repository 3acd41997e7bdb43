"""Files that are there whole or not at all, and errors that name the file they are of."""

from __future__ import annotations

import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is written to ``path`` in the block; a full disk and its like are an error that names it.

    Raises:
        OSError: If writing fails, in one sentence.
    """
    try:
        yield
    except Exception as error:
        # Libraries have errors of their own for what the system refuses, with its number in the text at most.
        if not isinstance(error, OSError) and type(error).__name__ not in ("SafetensorError", "Exception"):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OSError(f"{str(path)!r} cannot be written ({reason}); make room or choose another place") from error


@contextmanager
def written_file(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside ``path``, which takes its name and the place of one that had it once the block ends well.

    Of processes that write the same one, the last has it; where the block ends otherwise, nothing is left behind.
    """
    # A name of its own: another process may be writing the same file.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file atomically, in UTF-8.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    with naming(path), written_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; numbers that are none, which JSON does not know, become null.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    write_text(path, json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is empty or corrupt, naming it.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is corrupt ({error}); make it anew, or take a copy that is whole") from error


def finite(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities are None, within lists and mappings, too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value


@contextmanager
def written_folder(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder beside ``folder``, whose files go there once the block ends well.

    Whoever is killed while they go there leaves ``folder`` without the last one, never old files and new ones with it.

    Args:
        folder: Where the files and folders go, in place of those of their names; others stay. It is made where missing.
        last: Name of the file that goes last, by which a reader knows that all are there.

    Raises:
        OSError: If they cannot be written; what was there before stays.
    """
    whole = folder.absolute()  # of "." there is no name to put one beside
    temporary = whole.with_name(f".{whole.name}.{uuid.uuid4().hex}.partial")
    with naming(folder):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.rglob("*"):
                sync(path)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / last).unlink(missing_ok=True)
            for file in sorted(temporary.iterdir(), key=lambda file: file.name == last):
                if file.is_dir():  # which takes no place that has files
                    shutil.rmtree(folder / file.name, ignore_errors=True)
                file.replace(folder / file.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def sync(path: Path) -> None:
    """Make a file's content durable, or what a folder lists: POSIX keeps a rename there, not in the file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
