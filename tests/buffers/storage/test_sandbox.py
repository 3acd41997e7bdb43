"""Children that harm themselves while they read, and a caller that goes on."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from buffers import GrowingBatchBuffer, RescoredShard, Shard, ShardError
from buffers.admin.maintenance import find_corrupt
from buffers.storage.sandbox import Sandbox, verify_untrusted

Arm = Callable[[str], None]

HELPERS = """
import os, signal, stat, numpy, buffers.storage.shard as s

read_here = []

def refuse(problem):
    raise s.ShardError(str(problem))

def sockets():
    return [fd for fd in range(3, 20) if os.path.exists(f"/dev/fd/{fd}") and stat.S_ISSOCK(os.fstat(fd).st_mode)]
"""


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Gives the sandbox a reader of shards that does something else."""

    def replace_reader(body: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        # Python imports a module of this name before the program that it is to run.
        program = f"{HELPERS}\ndef read(path):\n    {body}\n"
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


def test_a_child_reads_on_until_it_refuses_a_file(tmp_path: Path, arm: Arm) -> None:
    # The refusal names what the child has read: this file alone.
    arm("read_here.append(path.name); 'bad' in read_here and refuse(read_here)")
    with Sandbox(memory_mib=512, seconds=20) as sandbox:
        for _ in range(2):
            sandbox.verify(tmp_path / "good")
            with pytest.raises(ShardError, match=r"^\['bad'\]$"):
                sandbox.verify(tmp_path / "bad")


def test_a_file_is_not_refused_for_what_another_did(tmp_path: Path, arm: Arm) -> None:
    arm("read_here.append(path.name); read_here == ['harmful', 'good'] and os._exit(1)")
    with Sandbox(memory_mib=512, seconds=20) as sandbox:
        for name in ("harmful", "good", "good"):
            sandbox.verify(tmp_path / name)


@pytest.mark.parametrize("answer", ["b'no JSON\\n'", "b'[0]\\n'", "b'x' * 100_000"])
def test_what_is_no_answer_is_a_refusal(path: Path, arm: Arm, answer: str) -> None:
    arm(f"[os.write(socket, {answer}) for socket in sockets()]")
    with Sandbox(memory_mib=512, seconds=20) as sandbox, pytest.raises(ShardError, match="answer nonsense"):
        sandbox.verify(path)


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


def test_no_module_of_the_working_directory_is_imported(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile, marker = tmp_path / "downloaded", tmp_path / "marker"
    (hostile / "buffers").mkdir(parents=True)
    for name in ("json.py", "h5py.py", "buffers/__init__.py"):
        (hostile / name).write_text(f"open({str(marker)!r}, 'a').write({name!r})\n")
    monkeypatch.chdir(hostile)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    verify_untrusted([path])
    assert not marker.exists()


def test_a_buffer_in_a_folder_called_scores_has_shards(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scores" / "run1"
    folder.mkdir(parents=True)
    shard = Shard.open(path.rename(folder / path.name))
    RescoredShard(shard, "other").write(shard.column("reward"), "scorer-1")
    assert len(GrowingBatchBuffer(folder, untrusted=True)) == 3
    assert not list(find_corrupt(folder, progress=False))
