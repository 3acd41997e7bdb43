"""Atomic writing of files and folders, never in place of others."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` to write to; it gets the name once the block ends well, and else goes.

    Args:
        target: The file or folder to make; the folder it lies in is made where missing.

    Raises:
        FileExistsError: If something is there.
    """
    _check_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        _check_free(target)
        partial.rename(target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def _check_free(target: Path) -> None:
    if target.exists():
        raise FileExistsError(f"{str(target)!r} is there already; choose another name, or delete it")
