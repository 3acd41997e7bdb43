"""Files that are there whole or not at all: 512 bytes of header, then HDF5.

The header is HDF5's user block and holds size and sha256 of all that follows. So a truncated copy is recognised at
once, and :func:`verify` vouches for every byte. A file is never changed once it is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

from buffers.storage.hdf5 import File

HEADER_BYTES = 512
PARTIAL = ".partial"
MAGIC = b"seq2seq-env shard\n"


class ShardError(ValueError):
    """A file that is damaged, foreign, of another schema, or does not fit the shards beside it."""


def damaged(path: Path, why: str) -> ShardError:
    """The error of a file that is not what was written."""
    return ShardError(f"shard {str(path)!r} is damaged: {why}; delete it and make it anew as it was made before")


def foreign(path: Path) -> ShardError:
    """The error of what was never a shard."""
    return ShardError(f"file {str(path)!r} is not a shard of this project; move it out of the buffer's folder")


def publish(path: Path, body: memoryview) -> None:
    """Written aside, flushed to disk, then renamed.

    A process that is killed leaves at most a hidden ``.partial`` file, which goes when the same file is made again.

    Args:
        path: The file to make; its folder is made where missing.
        body: What follows the header.

    Raises:
        OSError: If the file cannot be written; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _begun(path)
        partial = Path(file.name)
        try:
            with file:
                file.write(_header(HEADER_BYTES + len(body), hashlib.sha256(body).hexdigest()))
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
                # Within the block: closing the file would end the lock that keeps others from sweeping it up.
                os.replace(partial, path)  # noqa: PTH105  # the rename beside its fsync, both from os
        finally:
            partial.unlink(missing_ok=True)
        sweep(path.parent.glob(f".{path.name}.*{PARTIAL}"))
        _sync_folder(path.parent)
    except OSError as error:
        message = f"shard not written ({error.strerror}); make the folder writable or free some space, then run again"
        raise OSError(error.errno, message, str(path)) from error


def sweep(partials: Iterable[Path]) -> list[Path]:
    """Delete those of some ``.partial`` files whose writers were killed; a writer that lives holds a lock.

    Returns:
        What was deleted. Where the file system knows no locks, that is nothing.
    """
    deleted = []
    for partial in partials:
        with suppress(OSError), open(partial, "r+b", opener=_at_once) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
            deleted.append(partial)
    return deleted


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """The HDF5 file under a header that fits its size; what it has that a shard has not becomes an error of ours.

    Raises:
        ShardError: If the file is truncated, foreign or damaged.
        OSError: If the file cannot be read.
    """
    with _regular(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        header = raw.read(HEADER_BYTES)
        if not header.startswith(MAGIC):
            if MAGIC.startswith(header):
                raise damaged(path, f"it ends after {size} bytes")
            raise foreign(path)
        recorded = header[len(MAGIC) :].split(b"\n")[0].removeprefix(b"bytes ").decode(errors="replace")
        if recorded != str(size):
            raise damaged(path, f"it has {size} bytes where its header records {recorded}")
        try:
            yield File(raw, size)
        except ShardError:
            raise
        except (TypeError, ValueError) as error:
            raise damaged(path, str(error)) from error


def verify(path: Path) -> None:
    """Compare every byte with the checksum.

    Raises:
        ShardError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    with _regular(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        header = raw.read(HEADER_BYTES)
        if header.startswith(MAGIC) and header != _header(size, hashlib.file_digest(raw, "sha256").hexdigest()):
            raise damaged(path, "its contents do not have the sha256 that its header records")


def sha256(path: Path) -> str:
    """What the header records of all that follows it, which names the contents.

    Raises:
        ShardError: If the file has no such header.
        OSError: If it cannot be read.
    """
    with _regular(path) as raw:
        lines = raw.read(HEADER_BYTES).split(b"\n")
    if len(lines) < 3 or lines[0] + b"\n" != MAGIC or not lines[2].startswith(b"sha256 "):
        raise damaged(path, "its header records no sha256")
    return lines[2].removeprefix(b"sha256 ").decode(errors="replace")


def _begun(path: Path) -> BufferedWriter:
    """A new ``.partial`` file, locked for as long as this process has it open."""
    while True:
        file = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}").open("xb")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # it was swept up before it was locked


@contextmanager
def _regular(path: Path) -> Iterator[BufferedReader]:
    """A file open for reading, never a pipe or a device, which may have no end."""
    with open(path, "rb", opener=_at_once) as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise foreign(path)
        yield raw


def _at_once(path: str, flags: int) -> int:
    """Open without waiting until somebody writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _header(size: int, digest: str) -> bytes:
    return (MAGIC + f"bytes {size}\nsha256 {digest}\n".encode()).ljust(HEADER_BYTES, b"\n")


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: POSIX keeps it in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
