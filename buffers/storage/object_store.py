"""Object stores through fsspec: entries that are there whole or not at all, and a local folder that mirrors them.

An entry is one file or several. Its files are uploaded first and read back; then its commit, a small JSON object
``commits/{entry}.json`` with size and sha256 of each file, makes it an entry. Readers go by commits alone, so what a
killed writer uploaded is nothing to them, and a file that is not what its commit says is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from buffers.storage.container import ShardError
from seq2seq_env.atomic_files import naming, write_text, written_file

COMMITS = "commits"
"""Folder of the commits, within the store and within its mirror."""

PATIENCE_S = 10.0
"""Seconds that a store has to give back what was written."""

DOWNLOADS = 8
"""Files that are downloaded at a time."""

CACHE = "SEQ2SEQ_ENV_CACHE"
"""Environment variable that names the folder of the mirrors."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
_COLLAPSED = re.compile(r"(?:s3|s3a|gs|gcs|az|abfs|memory):/[^/].*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class Commit:
    """What a store says of an entry that is there whole.

    Attributes:
        sizes: Bytes of each file, by its path within the store.
        sha256: Hexadecimal digest of each file.
        facts: What its writer says of it, as JSON.
        published: When, in seconds since 1970.
    """

    sizes: dict[str, int]
    sha256: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)
    published: float = 0.0

    @classmethod
    def parse(cls, content: bytes) -> Commit:
        """The commit that a JSON object holds.

        Raises:
            ValueError: If it holds none.
        """
        try:
            commit = cls(**json.loads(content))
            if commit.sizes.keys() != commit.sha256.keys() or not all(map(_NAME.fullmatch, commit.sizes)):
                raise ValueError("its files are not named")
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return commit

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False) + "\n"


class ObjectStore:
    """The entries below a URL of fsspec, and their mirror.

    A pickle takes the URL and the mirror's folder along; threads may share a store.

    Args:
        url: ``s3://bucket/folder``, say; fsspec's configuration and the provider's own give address and rights.
        folder: Where the mirror is; None takes a folder of the user's cache that the URL determines.
        patience: Seconds that the store has to give back what was written.

    Attributes:
        known: The commits that were seen so far, by entry.
    """

    def __init__(self, url: str, folder: Path | None = None, patience: float = PATIENCE_S) -> None:
        self.url, self.patience = url.rstrip("/"), patience
        self.folder = folder or _cache() / hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self.known: dict[str, Commit] = {}

    def __repr__(self) -> str:
        return f"ObjectStore({self.url!r})"

    def entries(self) -> list[str]:
        """The entries that the store lists, sorted; their commits are read.

        Raises:
            ShardError: If a commit is corrupt.
            OSError: If the store cannot be read.
        """
        return self.look_up(self.listed())

    def listed(self) -> list[str]:
        """Names of the entries that the store lists; whether each has a commit that is one is not looked at.

        Raises:
            OSError: If the store cannot be read.
        """
        with self._reached("read") as (files, root):
            prefix = f"{root}/{COMMITS}/"
            # Some stores give their keys a slash that the root has not, or the other way round.
            names = [str(key).lstrip("/").removeprefix(prefix.lstrip("/")) for key in files.find(prefix.rstrip("/"))]
        entries = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        return [entry for entry in entries if _NAME.fullmatch(entry)]

    def look_up(self, entries: Iterable[str]) -> list[str]:
        """Those of some entries that are there, sorted, each asked for by its name and not by a listing.

        Raises:
            ShardError: If a commit is corrupt.
            OSError: If the store cannot be read.
        """
        wanted = sorted(entry for entry in entries if _NAME.fullmatch(entry))
        if not wanted:
            return []
        with self._reached("read") as (files, root):
            keys = {f"{root}/{_commit(entry)}".lstrip("/"): entry for entry in wanted}
            contents = files.cat([f"{root}/{_commit(entry)}" for entry in wanted], on_error="return")
            there: list[str] = []
            for key, content in contents.items():
                if isinstance(content, FileNotFoundError):
                    continue
                if isinstance(content, BaseException):
                    raise content
                entry = keys[str(key).lstrip("/")]
                try:
                    self.known[entry] = Commit.parse(content)
                except ValueError as error:
                    raise ShardError(
                        f"{self._named(_commit(entry))} is no commit ({error}); delete it and make the entry anew"
                    ) from error
                there.append(entry)
        return sorted(there)

    def publish(self, entry: str, files: Sequence[str], facts: Mapping[str, Any] | None = None) -> Commit:
        """Upload files of the mirror, read them back, and commit them together; what is there already stays.

        Args:
            entry: Name of the entry.
            files: Their paths within the mirror.
            facts: What readers are to know of the entry without its files, as JSON.

        Raises:
            ShardError: If somebody has published other contents under the name.
            OSError: If the store cannot be written, or loses what was written; then nothing is published.
        """
        contents = {name: (self.folder / name).read_bytes() for name in files}
        (self.folder / _commit(entry)).unlink(missing_ok=True)  # the mirror's files may be no longer what it says
        commit = Commit(
            sizes={name: len(content) for name, content in contents.items()},
            sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
            facts=dict(facts or {}),
            published=round(time.time(), 3),
        )
        if self.look_up([entry]):
            if self.known[entry].sha256 != commit.sha256:
                raise ShardError(
                    f"{self._named(entry)} was published with other contents by another worker; give all workers the "
                    "same options and the same versions, or use another URL"
                )
            self._record(entry, self.known[entry])
            return self.known[entry]
        with self._reached("written") as (store, root):
            for name, content in contents.items():
                self._put(store, root, name, content)
            # Another worker's commit of the same files may differ in its time.
            self._put(store, root, _commit(entry), commit.text().encode(), lambda c: Commit.parse(c).sha256)
        self.known[entry] = commit
        self._record(entry, commit)
        return commit

    def fetch(self, entry: str) -> bool:
        """Bring an entry's files into the mirror, unless they are there.

        Returns:
            Whether there is such an entry.

        Raises:
            ShardError: If the store has lost a file, or one is not what was committed.
            OSError: If the store cannot be read, or the mirror not written.
        """
        if entry not in self.known and not self.look_up([entry]):
            return False
        commit, record = self.known[entry], self.folder / _commit(entry)
        there = all(_size(self.folder / name) == size for name, size in commit.sizes.items())
        if there and record.is_file() and record.read_text("utf-8") == commit.text():
            return True
        for name, content in self._read(commit):
            path = self.folder / name
            with naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_file(path) as file:
                    file.write(content)
        self._record(entry, commit)
        return True

    def fetch_all(self, entries: Iterable[str]) -> None:
        """Bring entries into the mirror, several at a time; see :meth:`fetch`."""
        wanted = list(entries)
        if wanted:
            with ThreadPoolExecutor(min(DOWNLOADS, len(wanted))) as threads:
                list(threads.map(self.fetch, wanted))

    def check(self, entry: str) -> None:
        """Read an entry's files from the store, and compare them with its commit.

        Raises:
            ShardError: If the store has lost one, or one is not what was committed.
            OSError: If the store cannot be read.
        """
        for _ in self._read(self.known[entry]):
            pass

    def _read(self, commit: Commit) -> Iterator[tuple[str, bytes]]:
        """The files of a commit, each whole."""
        for name, digest in commit.sha256.items():
            with self._reached("read") as (store, root):
                try:
                    content = store.cat_file(f"{root}/{name}")
                except FileNotFoundError:
                    self._refuse(name, "is lost: its commit is there, and the file is not")
            if hashlib.sha256(content).hexdigest() != digest:
                self._refuse(name, f"is corrupt: its {len(content)} bytes do not have the sha256 that was committed")
            yield name, content

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise ShardError(
            f"{self._named(name)} {why}; delete the object that commits it in {COMMITS}/ and make it anew as it was "
            "made before"
        )

    def _put(
        self,
        store: Any,
        root: str,
        name: str,
        content: bytes,
        part: Callable[[bytes], object] = lambda content: content,
    ) -> None:
        """Write an object and read it back, in the part that matters: a store may lose a write, or show it late."""
        store.pipe_file(f"{root}/{name}", content)
        deadline, pause = time.monotonic() + self.patience, 0.05
        while True:
            store.invalidate_cache()
            try:
                if part(store.cat_file(f"{root}/{name}")) == part(content):
                    return
            except (FileNotFoundError, ValueError):
                pass
            left = deadline - time.monotonic()
            if left <= 0:
                raise OSError(
                    f"{self._named(name)} was written, and the store does not give it back within {self.patience:g} s: "
                    "it loses writes, shows them late, or another worker writes there; nothing was published, run again"
                )
            time.sleep(min(pause, left))
            pause *= 2

    def _record(self, entry: str, commit: Commit) -> None:
        path = self.folder / _commit(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, commit.text())

    def _named(self, name: str) -> str:
        return repr(f"{self.url}/{name}")

    @contextmanager
    def _reached(self, verb: str) -> Iterator[tuple[Any, str]]:
        """The file system and the root in it; what any of its libraries has against it is one sentence."""
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            # Made anew each time, which costs a look into fsspec's cache, so that a forked process has its own.
            store, root = url_to_fs(self.url)
            store.invalidate_cache()
            yield store, root.rstrip("/")
        except ShardError:
            raise
        except ImportError as error:
            raise ImportError(f"the object store {self.url!r} needs a library of its own: {error}") from error
        except Exception as error:  # each provider's client has errors of its own
            if type(error) is OSError and error.errno is None and self.url in str(error):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OSError(
                f"the object store {self.url!r} cannot be {verb} ({reason}); check its address, your rights and the "
                "network, then run again"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "folder": self.folder, "patience": self.patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ObjectStore.__init__(self, **state)


def object_store(location: str | Path) -> ObjectStore | None:
    """The store of a URL; None where ``location`` is a folder, a ``file://`` too.

    Raises:
        ValueError: If it is a URL as a ``Path``, which lacks a slash, or a chained one.
    """
    text = os.fspath(location)
    if "::" in text and "://" in text:
        raise ValueError(f"{text!r} is a chained URL, whose cache would hide lost writes; give the store's own")
    if _COLLAPSED.fullmatch(text):
        raise ValueError(f"{text!r} lacks a slash, as a URL does that became a Path; give it as text, with ://")
    return ObjectStore(text) if _URL.fullmatch(text) and not text.startswith(("file://", "local://")) else None


def local_folder(location: str | Path) -> Path:
    """The folder that ``location`` names, as a path or as a ``file://`` URL."""
    return Path(re.sub(r"^(file|local)://", "", os.fspath(location)))


def _commit(entry: str) -> str:
    return f"{COMMITS}/{entry}.json"


def _cache() -> Path:
    named = os.environ.get(CACHE)
    try:
        if named:
            return Path(named).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seq2seq-env" / "buffers"
    except RuntimeError as error:
        raise OSError(f"a mirror has no place, as there is no home ({error}); set {CACHE} to a folder") from error


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1
