"""Shard files: 512 bytes of header, then HDF5; written atomically, refused where they are corrupt.

The header is HDF5's user block and holds size and sha256 of all that follows. So a truncated copy is recognised at
once, and :func:`verify` vouches for every byte. Where the size is another, or the header is missing, another program
may have rewritten the file; then the digest of the contents among the attributes decides. A file is never changed once
it is there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

from h5py import h5a, h5f, h5p  # type: ignore[import-untyped]

from buffers.storage.arrays import HEADER_BYTES, File, read_attributes
from seq2seq_env.atomic_files import naming, sync

try:
    import fcntl
except ImportError as error:  # the build refuses such a system, but a wheel is also unpacked without one
    raise ImportError(
        "seq2seq-env needs a POSIX system (Linux, macOS), and this is none; on Windows use its Linux subsystem, WSL"
    ) from error

PARTIAL = ".partial"
MAGIC = b"seq2seq-env shard\n"
HDF5 = b"\x89HDF\r\n\x1a\n"

ACCESS = h5p.create(h5p.FILE_ACCESS)
# Closing the file closes its datasets too; a file that never changes needs no lock, which some file systems lack.
ACCESS.set_fclose_degree(h5f.CLOSE_STRONG)
ACCESS.set_file_locking(False, True)
# No cache of chunks, each of which is read once: setting one up took half of the time of reading a small shard.
ACCESS.set_cache(0, 1, 0, 0.0)


class ShardError(ValueError):
    """A file that is corrupt, foreign, of another schema, or does not fit the shards beside it."""


class SchemaError(ShardError):
    """A file of another schema version, which is whole and read by the release that wrote it."""


def corrupt(path: Path, why: str) -> ShardError:
    """The error of a file that is not what was written."""
    return ShardError(f"shard {str(path)!r} is corrupt: {why}; delete it and make it anew as it was made before")


def foreign(path: Path) -> ShardError:
    """The error of what was never a shard."""
    return ShardError(f"file {str(path)!r} is not a shard of this project; move it out of the buffer's folder")


def check_schema(path: Path, file: File, known: int) -> None:
    """Refuse a file of another schema version.

    Raises:
        SchemaError: If it is not ``known``.
        ValueError: If the file records none.
    """
    version = read_attributes(file, {"schema_version": "int"})["schema_version"]
    if version != known:
        raise SchemaError(
            f"shard {str(path)!r} has schema version {version}, this release reads {known}; read it with the release "
            "that wrote it, or make it anew"
        )


def publish(path: Path, body: memoryview) -> None:
    """Write a temporary file, flush it to disk, then rename it.

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
        sync(path.parent)
    except OSError as error:
        message = f"shard not written ({error.strerror}); make the folder writable or free some space, then run again"
        raise OSError(error.errno, message, str(path)) from error


def publish_folder(target: Path, fill: Callable[[Path], object], *, replace: bool = False) -> None:
    """Fill a temporary folder, flush its files to disk, then rename it; a folder that is there by then stays.

    A process that is killed leaves at most a hidden ``.partial`` folder, which goes when the same folder is made again.

    Args:
        target: The folder to make; what it lies in is made where missing.
        fill: Writes the files into a folder.
        replace: Put it in the place of a folder that is there, once it is filled; what was there goes.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial, lock = _begun_folder(target)
        try:
            fill(partial)
            for path in (*partial.rglob("*"), partial):
                sync(path)
            if replace:
                with suppress(FileNotFoundError):  # another process was faster
                    target.rename(_partial(target))  # which nobody locks, so that the sweep below deletes it
            try:
                partial.rename(target)
            except OSError:
                if not target.is_dir():  # if it is, another process was faster, with the same files
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            os.close(lock)
        sweep(target.parent.glob(f".{target.name}.*{PARTIAL}"))
        sync(target.parent)


def sweep(partials: Iterable[Path]) -> list[Path]:
    """Delete those ``.partial`` files and folders whose writers were killed; a writer that lives holds a lock.

    Returns:
        What was deleted. Where the file system knows no locks, that is nothing.
    """
    deleted = []
    for partial in partials:
        # A lock dies with its process, however it is killed; a process id in the name could be another's by now.
        with suppress(OSError), _locked(partial):
            if partial.is_dir():
                shutil.rmtree(partial)
            else:
                partial.unlink()
            deleted.append(partial)
    return deleted


@contextmanager
def opened(path: Path) -> Iterator[File]:
    """The HDF5 file behind the header; whatever HDF5 or a check has against it becomes a :class:`ShardError`.

    Raises:
        ShardError: If the file is truncated, foreign or corrupt.
        OSError: If the file cannot be read.
    """
    with _regular(path) as raw:  # HDF5 itself would wait at a pipe
        size, header = os.fstat(raw.fileno()).st_size, raw.read(HEADER_BYTES)
    ours = header.startswith(MAGIC)
    if not ours and MAGIC.startswith(header):
        raise corrupt(path, f"it ends after {size} bytes")
    if not ours and not header.startswith(HDF5):
        raise foreign(path)
    recorded = header[len(MAGIC) :].split(b"\n")[0].removeprefix(b"bytes ").decode(errors="replace") if ours else ""
    rewritten = recorded != str(size)
    try:
        handle = _handle(path)
        try:
            if not ours and not h5a.exists(handle, b"schema_version"):
                raise foreign(path)
            yield File(handle, size, rewritten)
        finally:
            handle.close()  # which HDF5 may refuse, too, after metadata that it did not understand
    except ShardError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = f"it has {size} bytes where its header records {recorded}, and " if ours and rewritten else ""
        # HDF5's own KeyError would show its sentence in quotes.
        raise corrupt(path, f"{why}{error.args[0] if error.args else type(error).__name__}") from error


def verify(path: Path) -> None:
    """Compare every byte with the checksum of a header whose size fits.

    Raises:
        ShardError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    with _regular(path) as raw:
        size, header = os.fstat(raw.fileno()).st_size, raw.read(HEADER_BYTES)
        vouched = header.startswith(MAGIC + f"bytes {size}\n".encode())
        if vouched and header != _header(size, hashlib.file_digest(raw, "sha256").hexdigest()):
            raise corrupt(path, "its contents do not have the sha256 that its header records")


def _handle(path: Path) -> Any:
    """HDF5's handle of the file, or of an image of it in memory."""
    try:
        return h5f.open(os.fsencode(path), h5f.ACC_RDONLY, ACCESS)
    except OSError as error:
        # Who has it open in this process already, with h5py say, decided on its locks and on what closing it does.
        if "match" not in str(error):
            raise
        return h5f.open_file_image(path.read_bytes(), h5f.ACC_RDONLY)


def _partial(path: Path) -> Path:
    """A hidden name beside a file or folder that no other writer takes."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")


def _begun(path: Path) -> BufferedWriter:
    """A new temporary file, locked for as long as this process has it open."""
    while True:
        file = _partial(path).open("xb")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # somebody swept it up before it was locked


def _begun_folder(target: Path) -> tuple[Path, int]:
    """A new temporary folder, locked until its descriptor is closed."""
    while True:
        partial = _partial(target)
        partial.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(partial, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if partial.is_dir():
                return partial, lock
            os.close(lock)  # somebody swept it up before it was locked


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """A lock that only one whose writer was killed gives."""
    descriptor = _at_once(str(partial), os.O_RDONLY if partial.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _regular(path: Path) -> Iterator[FileIO]:
    """A file open for reading, never a pipe or a device, which may have no end."""
    with open(path, "rb", buffering=0, opener=_at_once) as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise foreign(path)
        yield raw


def _at_once(path: str, flags: int) -> int:
    """Open without waiting until somebody writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _header(size: int, digest: str) -> bytes:
    return (MAGIC + f"bytes {size}\nsha256 {digest}\n".encode()).ljust(HEADER_BYTES, b"\n")
