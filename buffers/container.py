"""Files that are there whole or not at all: 512 bytes of header, then HDF5.

The header is HDF5's user block and holds size and sha256 of all that follows. So a truncated copy is recognised before
HDF5 touches it, and :func:`verify` vouches for every byte. A file is never changed once it is there.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]

HEADER_BYTES = 512
MAGIC = b"seq2seq-env shard\n"


class ShardError(ValueError):
    """A file that is damaged, foreign, of another schema, or does not fit the shards beside it."""


def damaged(path: Path, why: str) -> ShardError:
    """The error of a file that is not what was written."""
    return ShardError(f"shard {str(path)!r} is damaged: {why}; delete it and make it anew as it was made before")


def publish(path: Path, body: memoryview) -> None:
    """Written aside, flushed to disk, then renamed. A process that is killed leaves at most a hidden ``.partial`` file.

    Args:
        path: The file to make; its folder is made where missing.
        body: What follows the header.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                file.write(_header(body))
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)  # noqa: PTH105  # the rename beside its fsync, both from os
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        message = f"shard not written ({error.strerror}); make the folder writable or free some space, then run again"
        raise OSError(error.errno, message, str(path)) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The HDF5 file under a header that fits its size, open for reading; what HDF5 says of it becomes an error of ours.

    Raises:
        ShardError: If the file is truncated, foreign or damaged.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as raw:
        header, size = raw.read(HEADER_BYTES), raw.seek(0, os.SEEK_END)
    if not header.startswith(MAGIC):
        if MAGIC.startswith(header):
            raise damaged(path, f"it ends after {size} bytes")
        raise ShardError(f"file {str(path)!r} is not a shard of this project; move it out of the buffer's folder")
    recorded = header[len(MAGIC) :].split(b"\n")[0].removeprefix(b"bytes ").decode(errors="replace")
    if recorded != str(size):
        raise damaged(path, f"it has {size} bytes where its header records {recorded}")
    try:
        # A shard never changes, so no lock is needed, and file systems without locks work.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except ShardError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, str(error)) from error


def verify(path: Path) -> None:
    """Compare every byte with the checksum, before HDF5 reads any.

    Raises:
        ShardError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    content = path.read_bytes()
    if content.startswith(MAGIC) and content[:HEADER_BYTES] != _header(memoryview(content)[HEADER_BYTES:]):
        raise damaged(path, "its contents do not have the sha256 that its header records")


def sha256(path: Path) -> str:
    """What the header records of all that follows it, which names the contents.

    Raises:
        ShardError: If the file has no such header.
        OSError: If it cannot be read.
    """
    with path.open("rb") as raw:
        lines = raw.read(HEADER_BYTES).split(b"\n")
    if len(lines) < 3 or lines[0] + b"\n" != MAGIC or not lines[2].startswith(b"sha256 "):
        raise damaged(path, "its header records no sha256")
    return lines[2].removeprefix(b"sha256 ").decode(errors="replace")


def _header(body: memoryview) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return (MAGIC + f"bytes {HEADER_BYTES + len(body)}\nsha256 {digest}\n".encode()).ljust(HEADER_BYTES, b"\n")


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: POSIX keeps it in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
