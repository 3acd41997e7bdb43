"""One immutable file of trajectories: write, read, verify. Its layout is described field by field in :mod:`buffers`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from buffers.storage import arrays, container
from buffers.storage.columns import NEEDED, Column, column_of
from buffers.storage.container import ShardError, damaged
from buffers.storage.hdf5 import Attribute, File
from buffers.storage.layout import Layout
from buffers.storage.provenance import Provenance
from buffers.storage.trajectories import TRAJECTORIES_LAYOUT, Trajectories, check_values

FLAT_LAYOUT: Layout = {name: TRAJECTORIES_LAYOUT[name] for name in ("tokens", "source_tokens")}
SCHEMA_VERSION = 3
ADDED_SINCE: dict[Attribute | None, dict[str, Any]] = {1: {"shard_count": 1, "references": 1}, 2: {"references": 1}}
"""What older schema versions do not say, and what holds for them."""


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
        with container.opened(path) as file:
            _check_schema(path, file)
            sizes = arrays.check(path.name, file, TRAJECTORIES_LAYOUT)
            provenance = _read_provenance(file)
        return cls(path, provenance, sizes["N"], sizes["L"], sizes["U"])

    def read_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Some arrays of the layout, whole, as they are stored: token ids may be uint16.

        Values are checked as far as these arrays show them.

        Raises:
            ShardError: If the file has been damaged.
        """
        wanted = {name: TRAJECTORIES_LAYOUT[name] for name in names}
        # The lengths of the flat arrays say where offsets must end.
        with self._again({**wanted, **FLAT_LAYOUT}) as (file, sizes):
            stored = arrays.read(file, wanted)
            check_values(self.path.name, stored, sizes)
        return stored

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N], read without any token.

        Raises:
            ShardError: If the file has been damaged.
        """
        return column_of(self.read_arrays(NEEDED[name]), name)

    def read(self) -> Trajectories:
        """All trajectories, validated.

        Raises:
            ShardError: If the file has been damaged.
        """
        with self._again(TRAJECTORIES_LAYOUT) as (file, _):
            stored = arrays.read(file, TRAJECTORIES_LAYOUT)
            wide = {name: array.astype(TRAJECTORIES_LAYOUT[name][0], copy=False) for name, array in stored.items()}
            trajectories = Trajectories(**wide)
            if not trajectories.has_log_prob:
                raise ValueError("it has no log-probabilities")
        return trajectories

    def verify(self) -> None:
        """Compare every byte with the checksum and validate the contents.

        Raises:
            ShardError: If the file is not what was written.
        """
        verify_file(self.path)

    @contextmanager
    def _again(self, layout: Layout) -> Iterator[tuple[File, dict[str, int]]]:
        with container.opened(self.path) as file:
            sizes = arrays.check(self.path.name, file, layout)
            known = {"N": self.num_trajectories, "L": self.num_tokens, "U": self.num_sources}
            if any(sizes.get(axis, size) != size for axis, size in known.items()):
                raise ShardError(f"shard {str(self.path)!r} has changed since it was opened; open the buffer again")
            yield file, sizes


def verify_file(path: str | Path) -> None:
    """Compare every byte of a file with its checksum, then validate the contents.

    Raises:
        ShardError: If the file is not what was written, or foreign.
        OSError: If it cannot be read.
    """
    container.verify(Path(path))
    Shard.open(path).read()


def write_shard(path: str | Path, trajectories: Trajectories, provenance: Provenance) -> None:
    """Publish a shard, there whole or not at all; the same contents give the same bytes, for one version of HDF5.

    Args:
        path: The file to make; its folder is made where missing.
        trajectories: At least one, scored, with log-probabilities.
        provenance: What made them.

    Raises:
        ValueError: If there is nothing to write, or it was never scored, or nobody knows its log-probabilities.
        OSError: If the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    if len(trajectories) == 0 or not trajectories.has_log_prob:
        raise ValueError(
            f"cannot write {str(path)!r} from {trajectories!r}; give at least one trajectory, scored and with the "
            "behaviour policy's log-probabilities"
        )
    attributes = {"schema_version": SCHEMA_VERSION, **asdict(provenance)}
    contents = {name: getattr(trajectories, name) for name in TRAJECTORIES_LAYOUT}
    container.publish(path, arrays.encode(contents, attributes))


def _check_schema(path: Path, file: File) -> None:
    version = file.attrs.get("schema_version")
    if not isinstance(version, int):
        raise damaged(path, "it records no schema version")
    if version not in (*ADDED_SINCE, SCHEMA_VERSION):
        raise ShardError(
            f"shard {str(path)!r} has schema version {version}, this release reads up to {SCHEMA_VERSION}; "
            "read it with the release that wrote it, or grow it again"
        )


def _read_provenance(file: File) -> Provenance:
    added = ADDED_SINCE.get(file.attrs["schema_version"], {})
    kinds = {field.name: str(field.type) for field in fields(Provenance) if field.name not in added}
    values: dict[str, Any] = arrays.read_attributes(file, kinds)
    return Provenance(**values, **added)
