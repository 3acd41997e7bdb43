"""Atomic writing of files and folders, never in place of others."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq_env.atomic_files import naming


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` to write to; it gets the name once the block ends well, and else goes.

    Args:
        target: The file or folder to make; the folder it lies in is made where missing.

    Raises:
        FileExistsError: If something is there.
        OSError: If it cannot be written, in one sentence.
    """
    check_free(target)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            yield partial
        except Exception as error:
            if _says_which(error, partial):
                raise
            with naming(target):
                raise
        check_free(target)
        with naming(target):
            partial.rename(target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def check_free(target: Path) -> None:
    """Refuse to write where something is.

    Raises:
        FileExistsError: If something is there.
    """
    if target.exists():
        raise FileExistsError(f"{str(target)!r} is there already; choose another name, or delete it")


def _says_which(error: Exception, partial: Path) -> bool:
    """Whether an error is of another file, one that is read in the block, say, or is a sentence of ours already."""
    return isinstance(error, OSError) and (error.errno is None or error.filename not in (None, str(partial)))
