"""Children that harm themselves while they read, and a caller that goes on."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from buffers import GrowingBatchBuffer, RescoredShard, Shard, ShardError
from buffers.storage.sandbox import Sandbox, verify_untrusted

Arm = Callable[[str], None]


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Gives the sandbox a reader of shards that does something else."""

    def replace_reader(body: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        # Python imports a module of this name before the program that it is to run.
        program = f"import os, signal, numpy, buffers.storage.shard as s\ndef read(path):\n    {body}\n"
        (folder / "sitecustomize.py").write_text(program + "s.verify_file = read\n")
        monkeypatch.syspath_prepend(str(folder))

    return replace_reader


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"ends the process that reads it \(exit code -11\)"),
        ("os._exit(0)", r"ends the process that reads it \(exit code 0\)"),
        ("signal.pause()", "takes more than 2 s to read"),
        ("while True: pass", "takes more than 2 s to read"),
        ("numpy.ones(1 << 30)", "takes more than 512 MiB to read"),
        ("raise KeyError(path)", r"ends the process that reads it \(exit code 1\)"),
    ],
)
def test_what_a_child_does_to_itself_is_a_refusal(path: Path, arm: Arm, body: str, message: str) -> None:
    arm(body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Sandbox(memory_mib=512, seconds=2) as sandbox:
        for _ in range(2):  # the server outlives it
            with pytest.raises(ShardError, match=rf"g001-s00000\.h5' is corrupt or hostile: it {message}; delete it"):
                sandbox.verify(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_buffer_from_elsewhere_is_refused_before_it_is_opened(path: Path, arm: Arm) -> None:
    arm("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ShardError, match="is corrupt or hostile"):
        GrowingBatchBuffer(path.parent, untrusted=True)


def test_a_shard_that_appears_later_is_read_in_the_sandbox_too(path: Path, arm: Arm) -> None:
    hidden = path.rename(path.with_suffix(".later"))
    buffer = GrowingBatchBuffer(path.parent, untrusted=True)
    assert not buffer.has(1, 0)
    hidden.rename(path)
    arm("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ShardError, match="is corrupt or hostile"):
        buffer.has(1, 0)


def test_good_shards_and_rewards_are_accepted(path: Path) -> None:
    shard = Shard.open(path)
    column = RescoredShard(shard, "other")
    column.write(shard.column("reward"), "scorer-1")
    verify_untrusted([path, column.path])
    assert len(GrowingBatchBuffer(path.parent, untrusted=True)) == 3


def test_corrupt_rewards_and_missing_files_are_told_apart(path: Path) -> None:
    shard = Shard.open(path)
    column = RescoredShard(shard, "other")
    column.write(shard.column("reward"), "scorer-1")
    column.path.write_bytes(column.path.read_bytes()[:-1] + b"?")
    with pytest.raises(ShardError, match=r"other/g001-s00000\.h5' is corrupt: its contents do not have the sha256"):
        GrowingBatchBuffer(path.parent, untrusted=True)
    with pytest.raises(FileNotFoundError, match="nothing"):
        verify_untrusted([path.parent / "nothing.h5"])
