"""Scores in a file that several processes share."""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

_APPLICATION = 0x52655354  # "ReST", where SQLite keeps the mark of whose file it is
_VERSION = 1
_PATIENCE_S = 30.0
_KEYS_A_QUERY = 500  # SQLite before 3.32 took 999 variables at most
_NO_ACCESS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}


class ScoreFile:
    """Key to score in an SQLite file, for one thread at a time in each process.

    The file is made at first use, in write-ahead mode: readers and a writer do not wait for each other, and a process
    killed at any instant leaves a whole file. Each score stands beside a checksum of it and its key, so a flipped bit
    is an error and never another score. SQLite's locks want a local disk, not a network folder.

    Args:
        path: Of the file; beside it, SQLite keeps files of the same name that end in ``-wal`` and ``-shm``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def __del__(self) -> None:
        self.close()

    def read(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Those of the keys that the file has, with their scores.

        Raises:
            ValueError: If the file is damaged, or no score file.
            OSError: If it cannot be opened, made or locked.
        """
        found = {}
        with self._opened() as connection:
            for start in range(0, len(keys), _KEYS_A_QUERY):
                some = keys[start : start + _KEYS_A_QUERY]
                query = f"SELECT key, value FROM scores WHERE key IN ({', '.join('?' * len(some))})"
                for key, value in connection.execute(query, some):
                    found[key] = self._unpacked(key, value)
        return found

    def write(self, scores: Mapping[bytes, float]) -> None:
        """Add scores, all or none; a key that the file has keeps its score.

        Raises:
            ValueError: If the file is damaged, or no score file.
            OSError: If it cannot be opened, made, locked or written.
        """
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            rows = [(key, _packed(key, score)) for key, score in scores.items()]
            connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)
            connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file; the next read or write opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            # A file that was deleted or replaced would swallow what is written to it.
            if self._connection is None or self._identity != _identity(self.path):
                self.close()
                self._connection = self._open()
                self._identity = _identity(self.path)
            yield self._connection
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite's messages may quote damaged bytes
            self.close()
            raise self._explained(error) from error
        except BaseException:
            # An interrupt between the statements of a transaction would leave it open, and the file locked.
            self.close()
            raise

    def _open(self) -> sqlite3.Connection:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            # Locked by the caller, which SQLite cannot know.
            connection = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
                return connection
            except BaseException as error:
                connection.close()
                # Two that make the file at once may block each other, which SQLite reports without its timeout.
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("COMMIT")
        if (application, version, tables) == (0, 0, 0):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
        elif application != _APPLICATION:
            raise ValueError(f"{str(self.path)!r} is a database but no score cache; name another path")
        elif version != _VERSION:
            raise ValueError(
                f"score cache {str(self.path)!r} has version {version}, not {_VERSION}; delete it or name another path"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        # Cannot damage the file in this mode, and scores lost with the power are only computed again.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _unpacked(self, key: bytes, value: object) -> float:
        if isinstance(value, bytes) and len(value) == 8 and value == _sealed(key, value[:4]):
            score: float = struct.unpack("<f", value[:4])[0]
            return score
        raise ValueError(
            f"score cache {str(self.path)!r} is damaged (a wrong checksum); delete it or name another path"
        )

    def _explained(self, error: Exception) -> Exception:
        path = repr(str(self.path))
        code = _code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return TimeoutError(
                f"another process kept score cache {path} locked for {_PATIENCE_S:.0f} s; end it or name another path"
            )
        if code in _NO_ACCESS:
            return OSError(
                f"score cache {path} cannot be used ({error}); "
                "see that its folder is there, writable and not full, or name another path"
            )
        return ValueError(f"{path} is no score cache, or a damaged one ({error}); delete it or name another path")


def _packed(key: bytes, score: float) -> bytes:
    # As a number SQLite would store -0.0 as 0.
    return _sealed(key, struct.pack("<f", score))


def _sealed(key: bytes, bits: bytes) -> bytes:
    return bits + crc32(key + bits).to_bytes(4, "little")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _code(error: BaseException) -> int | None:
    """SQLite's primary result code; None where the error is not SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
