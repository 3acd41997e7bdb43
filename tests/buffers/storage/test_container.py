from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from h5py import File, h5f  # type: ignore[import-untyped]

from buffers import GrowingBatchBuffer, Provenance, Shard, ShardError, Trajectories, write_shard
from buffers.storage import container
from buffers.storage.shard import verify_file

Compare = Callable[[Trajectories, Trajectories], None]


@pytest.mark.parametrize("size", [0, 5, 17, 18, 100, 511, 512, 513, 560, 2_000, -100, -1])
def test_a_truncated_file_is_refused_when_opened(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ShardError, match=r"g001-s00000\.h5' is corrupt: .*; delete it and make it anew"):
        Shard.open(path)


def test_every_flipped_byte_is_found(path: Path, trajectories: Trajectories, assert_equal: Compare) -> None:
    content = path.read_bytes()
    shard = Shard.open(path)
    for place in range(0, len(content), 37):
        corrupt = bytearray(content)
        corrupt[place] ^= 0x10
        path.write_bytes(corrupt)
        with pytest.raises(ShardError):
            shard.verify()
        # Reading looks at less than the checksum does, but never gives something else or raises another error.
        with suppress(ShardError):
            assert_equal(Shard.open(path).read(), trajectories)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"No space left on device.*free some space.*g001-s00000\.h5") as raised:
        write_shard(tmp_path / "g001-s00000.h5", trajectories, provenance)
    assert raised.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_no_visible_file(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "g001-s00000.h5", trajectories, provenance)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"make the folder writable.*file/g001-s00000\.h5"):
        write_shard(tmp_path / "file" / "g001-s00000.h5", trajectories, provenance)


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "g001-s00000.h5")
    (tmp_path / "g001-s00001.h5").symlink_to("/dev/zero")
    for name in ("g001-s00000.h5", "g001-s00001.h5"):
        for read in (Shard.open, verify_file):
            with pytest.raises(ShardError, match=f"{name}' is not a shard of this project; move it"):
                read(tmp_path / name)
    with pytest.raises(ShardError, match="is not a shard"):
        GrowingBatchBuffer(tmp_path)


def test_folders_and_links_that_lead_nowhere_are_named(tmp_path: Path, path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "circle.h5").symlink_to("circle.h5")
    for name in ("folder.h5", "circle.h5"):
        with pytest.raises(OSError, match=name):
            Shard.open(tmp_path / name)
    (tmp_path / "link.h5").symlink_to(path)
    assert Shard.open(tmp_path / "link.h5").num_trajectories == 3


def test_a_file_that_hdf5_cannot_close_is_corrupt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As case 669 of the hostile files, which is refused before."""

    class Unclosable:
        def close(self) -> None:
            raise RuntimeError("Can't decrement id ref count")

    def refuse(_: Path) -> None:
        with container.opened(path):
            raise ShardError("its metadata are nonsense")

    monkeypatch.setattr(h5f, "open", lambda *_: Unclosable())
    with pytest.raises(ShardError, match=r"g001-s00000\.h5' is corrupt: Can't decrement id ref count"):
        refuse(path)


def test_a_system_without_file_locks_is_one_sentence() -> None:
    without = "import sys; sys.modules['fcntl'] = None; import buffers.storage.container"
    result = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == (
        "ImportError: seq2seq-env needs a POSIX system (Linux, macOS), and this is none; on Windows use its Linux "
        "subsystem, WSL"
    )


@pytest.mark.parametrize("options", [{}, {"locking": True}, {"locking": False}, {"locking": "best-effort"}])
def test_a_shard_that_h5py_has_open_is_read_all_the_same(
    options: dict[str, object], path: Path, trajectories: Trajectories, assert_equal: Compare
) -> None:
    with File(path, "r", **options) as theirs:
        shard = Shard.open(path)
        shard.verify()
        assert_equal(shard.read(), trajectories)
        assert len(theirs.keys()) > 0
    assert_equal(Shard.open(path).read(), trajectories)


def test_a_lock_of_another_is_no_reason_to_wait(path: Path, trajectories: Trajectories, assert_equal: Compare) -> None:
    with path.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        assert_equal(Shard.open(path).read(), trajectories)
