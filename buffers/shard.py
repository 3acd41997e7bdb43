"""One immutable HDF5 file of trajectories: layout, write, read, verify.

The file begins with a header of 512 bytes, HDF5's user block, that holds the size and sha256 of all that follows. So a
truncated copy is recognised before HDF5 touches it, and :meth:`Shard.verify` vouches for every byte. The layout is
described field by field in :mod:`buffers`.
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from buffers.layout import check_layout
from buffers.provenance import Provenance
from buffers.trajectories import TRAJECTORIES_LAYOUT, Trajectories

SCHEMA_VERSION = 1
HEADER_BYTES = 512
MAGIC = b"seq2seq-env shard\n"
CHUNK = 65_536  # elements; a whole column of a typical shard, so few chunks to look up


class ShardError(ValueError):
    """A file that is damaged, foreign, of another schema, or does not fit the shards beside it."""


@dataclass(frozen=True)
class Shard:
    """A file known to be whole in size and layout; its arrays are read when asked for.

    Attributes:
        path: The file.
        provenance: What made it.
        num_trajectories: N.
        num_tokens: L.
        num_sources: U.
    """

    path: Path
    provenance: Provenance
    num_trajectories: int
    num_tokens: int
    num_sources: int

    @classmethod
    def open(cls, path: str | Path) -> Shard:
        """Check header, size, schema and layout of a file, without reading a token.

        Raises:
            ShardError: If the file is truncated, foreign or of another schema.
            OSError: If the file cannot be read.
        """
        path = Path(path)
        with _opened(path) as file:
            sizes = check_layout(path.name, file, TRAJECTORIES_LAYOUT)
            provenance = _read_provenance(file)
        return cls(path, provenance, sizes["N"], sizes["L"], sizes["U"])

    def read_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Some arrays of the layout, whole.

        Raises:
            ShardError: If the file has been damaged.
        """
        with _opened(self.path) as file:
            check_layout(self.path.name, file, TRAJECTORIES_LAYOUT)
            return {name: file[name][:] for name in names}

    def read(self) -> Trajectories:
        """All trajectories, validated.

        Raises:
            ShardError: If the file has been damaged.
        """
        arrays = self.read_arrays(tuple(TRAJECTORIES_LAYOUT))
        try:
            return Trajectories(**arrays)
        except ValueError as error:
            raise _damaged(self.path, str(error)) from error

    def verify(self) -> None:
        """Compare every byte with the checksum and validate the contents.

        Raises:
            ShardError: If the file is not what was written.
        """
        verify_file(self.path)


def verify_file(path: str | Path) -> None:
    """Compare every byte of a file with its checksum before HDF5 reads any, then validate the contents.

    Raises:
        ShardError: If the file is not what was written, or foreign.
        OSError: If it cannot be read.
    """
    path = Path(path)
    content = path.read_bytes()
    if content.startswith(MAGIC) and content[:HEADER_BYTES] != _header(content[HEADER_BYTES:]):
        raise _damaged(path, "its contents do not have the sha256 that its header records")
    Shard.open(path).read()


def write_shard(path: str | Path, trajectories: Trajectories, provenance: Provenance) -> None:
    """Publish a shard: written aside, flushed to disk, then renamed, so that it is there whole or not at all.

    The same contents give the same bytes, for one version of HDF5 and zlib. A process that is killed leaves at most a
    hidden ``.partial`` file, which readers ignore.

    Args:
        path: The file to make; its folder is made where missing.
        trajectories: At least one, scored.
        provenance: What made them.

    Raises:
        ValueError: If there is nothing to write, or it was never scored.
        OSError: If the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    if len(trajectories) == 0 or not trajectories.is_scored:
        raise ValueError(f"cannot write {str(path)!r} from {trajectories!r}; give at least one trajectory, scored")
    body = _encode(trajectories, provenance)
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


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: POSIX keeps it in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(trajectories: Trajectories, provenance: Provenance) -> memoryview:
    """The HDF5 file without its header.

    It is built in memory because a unit of Grow work fits there, and because HDF5 itself fails badly on a full disk.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110"), userblock_size=HEADER_BYTES) as file:
        file.attrs["schema_version"] = np.int64(SCHEMA_VERSION)
        for name, value in asdict(provenance).items():
            file.attrs[name] = _fixed_text(value) if isinstance(value, str) else value
        for name in TRAJECTORIES_LAYOUT:
            array = getattr(trajectories, name)
            file.create_dataset(
                name,
                data=array,
                chunks=(min(CHUNK, array.size),),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                track_times=False,
            )
    return buffer.getbuffer()[HEADER_BYTES:]


def _header(body: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return (MAGIC + f"bytes {HEADER_BYTES + len(body)}\nsha256 {digest}\n".encode()).ljust(HEADER_BYTES, b"\n")


def _damaged(path: Path, why: str) -> ShardError:
    return ShardError(f"shard {str(path)!r} is damaged: {why}; delete it and run the Grow step again to make it anew")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An HDF5 file that has a shard's header, size, schema and plain datasets, open for reading."""
    with path.open("rb") as raw:
        header, size = raw.read(HEADER_BYTES), raw.seek(0, os.SEEK_END)
    if not header.startswith(MAGIC):
        if MAGIC.startswith(header):
            raise _damaged(path, f"it ends after {size} bytes")
        raise ShardError(f"file {str(path)!r} is not a shard of this project; move it out of the buffer's folder")
    recorded = header[len(MAGIC) :].split(b"\n")[0].removeprefix(b"bytes ").decode(errors="replace")
    if recorded != str(size):
        raise _damaged(path, f"it has {size} bytes where its header records {recorded}")
    try:
        # A shard never changes, so no lock is needed, and file systems without locks work.
        with h5py.File(path, "r", locking=False) as file:
            _check_schema(path, file)
            _check_plain(path, file)
            yield file
    except ShardError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _check_schema(path: Path, file: Any) -> None:
    version = file.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ShardError(
            f"shard {str(path)!r} has schema version {version}, this release reads {SCHEMA_VERSION}; "
            "read it with the release that wrote it, or grow it again"
        )


def _check_plain(path: Path, file: Any) -> None:
    """Refuse links and storage that would read any file but this one."""
    for name in TRAJECTORIES_LAYOUT:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise _damaged(path, f"{name!r} is missing or a link")
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
            raise _damaged(path, f"{name!r} is not a dataset within the file")


def _fixed_text(text: str) -> NDArray[np.bytes_]:
    """UTF-8 text of fixed length: HDF5 aborts the process or never returns on damaged text of variable length."""
    content = text.encode()
    return np.array(content, dtype=h5py.string_dtype("utf-8", max(1, len(content))))


def _read_provenance(file: Any) -> Provenance:
    readers: dict[str, Callable[[Any], str | int | float]] = {
        "str": lambda value: bytes(value).decode(),
        "int": int,
        "float": float,
    }
    missing = sorted({field.name for field in fields(Provenance)} - set(file.attrs))
    if missing:
        raise ValueError(f"its attribute {missing[0]!r} is missing")
    values: dict[str, Any] = {
        field.name: readers[str(field.type)](file.attrs[field.name]) for field in fields(Provenance)
    }
    return Provenance(**values)
