"""Score file: an SQLite table of scores that processes share."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from zlib import crc32

_APPLICATION = 0x52655354  # "ReST", where SQLite keeps the mark of whose file it is
_LOCK_TIMEOUT_S = 30.0
_NO_ACCESS = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_AUTH,
}


def read_scores(path: Path, keys: Sequence[bytes]) -> dict[bytes, float]:
    """Those of the keys that the file has, with their scores; the file is made if it is not there.

    Raises:
        ValueError: If the file is corrupt, or no score cache.
        OSError: If it cannot be opened, made or locked.
    """
    scores = {}
    with _opened(path) as connection:
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        for start in range(0, len(keys), most):
            some = keys[start : start + most]
            query = f"SELECT key, value FROM scores WHERE key IN ({', '.join('?' * len(some))})"
            for key, value in connection.execute(query, some):
                # SQLite notices no flipped bit in a value, which would be another reward.
                if not isinstance(value, bytes) or value != _with_checksum(key, value[:4]):
                    raise ValueError(
                        f"score cache {str(path)!r} is corrupt (a wrong checksum); delete it or name another path"
                    )
                (scores[key],) = struct.unpack("<f", value[:4])
    return scores


def write_scores(path: Path, scores: Mapping[bytes, float]) -> None:
    """Add float32 scores to the file, all or none; a key that the file has keeps its score.

    Raises:
        ValueError: If the file is corrupt, or no score cache.
        OSError: If it cannot be opened, made, locked or written.
    """
    with _opened(path) as connection:
        # A killed process loses nothing; a power cut may, or corrupt the file, whose scores are only computed again.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        # Bytes, because SQLite would store the number -0.0 as 0.
        rows = [(key, _with_checksum(key, struct.pack("<f", score))) for key, score in scores.items()]
        connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)
        connection.execute("COMMIT")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one batch: none is open where the process forks, or where the file is deleted or replaced."""
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as connection:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                # Another process may have made the table since; the lock comes first, so that the two wait in turn.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
                )
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute("COMMIT")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != _APPLICATION:
                raise ValueError(f"{str(path)!r} is a database but no score cache; name another path")
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite's messages may quote corrupt bytes
        raise _explained(repr(str(path)), error) from error


def _explained(path: str, error: Exception) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary result code
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TimeoutError(
            f"another process kept score cache {path} locked for {_LOCK_TIMEOUT_S:.0f} s; end it or name another path"
        )
    if code in _NO_ACCESS:
        return OSError(
            f"score cache {path} cannot be used ({error}); see that its folder is there, writable and not full, or "
            "name another path"
        )
    return ValueError(f"{path} is no score cache, or a corrupt one ({error}); delete it or name another path")


def _with_checksum(key: bytes, bits: bytes) -> bytes:
    return bits + crc32(key + bits).to_bytes(4, "little")
