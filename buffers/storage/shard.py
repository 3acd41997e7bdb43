"""One immutable file of trajectories: write, read, verify. Its layout is described field by field in :mod:`buffers`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from buffers.storage import arrays, container
from buffers.storage.arrays import CONTENTS, File
from buffers.storage.columns import NEEDED, Column, column_of
from buffers.storage.container import ShardError
from buffers.storage.layout import Layout
from buffers.storage.object_store import ObjectStore
from buffers.storage.provenance import Provenance
from buffers.storage.trajectories import TRAJECTORIES_LAYOUT, Trajectories, check_values

FLAT_LAYOUT: Layout = {name: TRAJECTORIES_LAYOUT[name] for name in ("tokens", "source_tokens")}
SCHEMA_VERSION = 7
KINDS = {CONTENTS: "str"} | {each.name: str(each.type) for each in fields(Provenance)}
SIZES = ("num_trajectories", "num_tokens", "num_sources")


@dataclass(frozen=True)
class Shard:
    """A file known to be whole in size and layout; its arrays are read when asked for.

    Whatever reads the file raises :class:`ShardError` where it is corrupt, or has changed since it was opened.

    Attributes:
        path: The file.
        provenance: What made it.
        num_trajectories: N.
        num_tokens: L.
        num_sources: U.
        contents_sha256: Digest of attributes and arrays, which names the contents.
        store: Where the file comes from when it is first read; None where it is in a folder of its own.
    """

    path: Path
    provenance: Provenance
    num_trajectories: int
    num_tokens: int
    num_sources: int
    contents_sha256: str
    store: ObjectStore | None = field(default=None, compare=False, repr=False)

    @classmethod
    def committed(cls, entry: str, store: ObjectStore) -> Shard:
        """A shard of an object store, by its commit alone; the file is fetched when something reads it.

        Raises:
            ShardError: If the commit is not that of a shard.
        """
        facts = store.known[entry].facts
        try:
            temperature = facts["provenance"]["temperature"]
            origin = {**facts["provenance"], "temperature": math.nan if temperature is None else temperature}
            sizes = {name: int(facts[name]) for name in SIZES}
            contents = str(facts[CONTENTS])
            return cls(store.folder / entry, Provenance(**origin), contents_sha256=contents, store=store, **sizes)
        except (KeyError, TypeError, ValueError) as error:
            raise ShardError(
                f"{entry!r} in {store!r} is not committed as a shard of this release ({error}); use another URL, or "
                "delete its commit and make it anew"
            ) from error

    @classmethod
    def open(cls, path: str | Path) -> Shard:
        """Check header, size, schema and layout of a file, without reading a token.

        Only a file that another program rewrote is read whole, as nothing but its contents' digest vouches for it.

        Raises:
            ShardError: If the file is truncated, foreign or of another schema.
            OSError: If the file cannot be read.
        """
        path = Path(path)
        with container.opened(path) as file:
            return cls._checked(path, file)

    @property
    def facts(self) -> dict[str, Any]:
        """What a commit says of it, as JSON."""
        origin = {**asdict(self.provenance), "temperature": self.provenance.known_temperature}  # JSON has no NaN
        return {"provenance": origin, CONTENTS: self.contents_sha256} | {name: getattr(self, name) for name in SIZES}

    def check_commit(self) -> None:
        """Compare what an object store's commit says with the file, which is in the mirror; of a folder's do nothing.

        Raises:
            ShardError: Naming what differs and both its values.
        """
        if self.store is None:
            return
        said, found = self.facts, Shard.open(self.path).facts
        # Each fact of the provenance by its own name; an own fact may have the same.
        pairs = [(name, each, found["provenance"][name]) for name, each in said.pop("provenance").items()]
        for name, committed, stored in [*pairs, *((name, each, found[name]) for name, each in said.items())]:
            if committed != stored:
                raise ShardError(
                    f"{self.path.name!r} in {self.store!r} is committed with {name} {committed!r}, and its file has "
                    f"{stored!r}; delete its commit and make it anew as it was made before"
                )

    @property
    def temperature(self) -> float | None:
        """That the behaviour policy was sampled at; None where nobody recorded it."""
        return self.provenance.known_temperature

    @property
    def grow_step(self) -> int:
        """That it is of."""
        return self.provenance.grow_step

    @property
    def is_here(self) -> bool:
        """Whether it is read without a download; of an object store, whether it is in the mirror."""
        return self.store is None or self.path.is_file()

    def publication(self) -> tuple[int, float]:
        """Bytes of the file, and when it was published, in seconds since 1970.

        Raises:
            OSError: If the file is not there.
        """
        if self.store is not None:
            commit = self.store.known[self.path.name]
            return commit.sizes[self.path.name], commit.published
        state = self.path.stat()
        return state.st_size, state.st_mtime

    def read_arrays(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Some arrays of the layout, whole, as they are stored: token ids may be uint16.

        Values are checked as far as these arrays show them.
        """
        wanted = {name: TRAJECTORIES_LAYOUT[name] for name in names}
        # The lengths of the flat arrays say where offsets must end.
        with self._again({**wanted, **FLAT_LAYOUT}) as (file, sizes):
            stored = arrays.read(file, wanted)
            check_values(self.path.name, stored, sizes)
        return stored

    def column(self, name: Column) -> NDArray[Any]:
        """One number a trajectory, [N], read without any token."""
        return column_of(self.read_arrays(NEEDED[name]), name)

    def read(self) -> Trajectories:
        """All trajectories, validated."""
        with self._again(TRAJECTORIES_LAYOUT) as (file, _):
            return _read_all(file)

    def verify(self) -> None:
        """Compare every byte with the checksum, at an object store too, and validate the contents and the commit."""
        if self.store is not None:
            self.store.check(self.path.name)
            self.store.fetch(self.path.name)
        verify_file(self.path)
        self.check_commit()

    @classmethod
    def _checked(cls, path: Path, file: File) -> Shard:
        container.check_schema(path, file, SCHEMA_VERSION)
        sizes = arrays.check(path.name, file, TRAJECTORIES_LAYOUT)
        attributes: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **arrays.read_attributes(file, KINDS)}
        if file.rewritten:
            arrays.check_contents(file, attributes, TRAJECTORIES_LAYOUT)
        provenance = Provenance(**{each.name: attributes[each.name] for each in fields(Provenance)})
        return cls(path, provenance, sizes["N"], sizes["L"], sizes["U"], attributes[CONTENTS])

    @contextmanager
    def _again(self, layout: Layout) -> Iterator[tuple[File, dict[str, int]]]:
        if self.store is not None:
            self.store.fetch(self.path.name)
        # Held open, every shard of a large buffer would cost a file descriptor; so each read opens it anew.
        with container.opened(self.path) as file:
            sizes = arrays.check(self.path.name, file, layout)
            if arrays.read_attributes(file, {CONTENTS: "str"})[CONTENTS] != self.contents_sha256:
                raise ShardError(f"shard {str(self.path)!r} has changed since it was opened; open the buffer again")
            yield file, sizes


def verify_file(path: str | Path) -> None:
    """Compare every byte of a file with its checksum, then validate the contents.

    Raises:
        ShardError: If the file is not what was written, or foreign.
        OSError: If it cannot be read.
    """
    path = Path(path)
    container.verify(path)
    with container.opened(path) as file:
        Shard._checked(path, file)
        _read_all(file)


def write_shard(path: str | Path, trajectories: Trajectories, provenance: Provenance) -> None:
    """Publish a shard atomically; the same contents give the same bytes, for one version of HDF5.

    Args:
        path: The file to make; its folder is made where missing.
        trajectories: At least one, scored; with log-probabilities where the behaviour policy is known.
        provenance: What made them.

    Raises:
        ValueError: If there is nothing to write, or it was never scored.
        OSError: If the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    if len(trajectories) == 0 or not trajectories.is_scored:
        raise ValueError(f"cannot write {str(path)!r} from {trajectories!r}; give at least one trajectory, scored")
    attributes = {"schema_version": SCHEMA_VERSION, **asdict(provenance)}
    contents = {name: getattr(trajectories, name) for name in TRAJECTORIES_LAYOUT}
    container.publish(path, arrays.encode(contents, attributes))


def publish_shard(path: Path, trajectories: Trajectories, provenance: Provenance, store: ObjectStore | None) -> Shard:
    """Write a shard, and where its folder is the mirror of an object store, upload and commit it.

    Args:
        path: The file to make.
        trajectories: As :func:`write_shard` takes them.
        provenance: What made them.
        store: Whose mirror the file's folder is; None for a folder by itself.

    Raises:
        ShardError: If the store has other contents under the name.
        OSError: If it cannot be written; then nothing is published.
    """
    write_shard(path, trajectories, provenance)
    shard = Shard.open(path)
    if store is None:
        return shard
    store.publish(path.name, [path.name], shard.facts)
    return replace(shard, store=store)


def _read_all(file: File) -> Trajectories:
    """All trajectories of a file whose arrays passed their check, validated."""
    stored = arrays.read(file, TRAJECTORIES_LAYOUT)
    wide = {name: array.astype(TRAJECTORIES_LAYOUT[name][0], copy=False) for name, array in stored.items()}
    trajectories = Trajectories(**wide)
    if not trajectories.is_scored:
        raise ValueError("it has no rewards")
    return trajectories
