"""Sandbox for files from elsewhere: each is first read whole in a child process with limits of memory and time.

HDF5's library does what a file's metadata say, and has crashed, looped and allocated without end on metadata made for
that. So a small server, which has imported what reads a shard and nothing else, forks a child per file: a child costs
milliseconds, whatever the caller holds, and what it does to itself ends with it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from buffers.storage.container import ShardError
from buffers.storage.reward_columns import FOLDER, verify_column
from buffers.storage.shard import verify_file

MEMORY_MIB = 4_096
SECONDS = 60.0

LONGEST_ANSWER = 10_000
"""Characters, which a pipe holds though nobody reads it yet."""

SETTINGS = {
    "OMP_NUM_THREADS": "1",  # threads of a linear algebra library would not survive the fork
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",  # HDF5's way to say that no filter is loaded from a library
}


Answer = dict[str, str | int]
"""What is wrong with a file, under "problem", and an "errno" where that is the system's own error."""


class Sandbox:
    """A server whose children verify files; use it as a context manager, and for many files.

    Args:
        memory_mib: MiB that a child may reserve beyond what it begins with, on Linux.
        seconds: After which a child is killed.
    """

    def __init__(self, memory_mib: int = MEMORY_MIB, seconds: float = SECONDS) -> None:
        self.memory_mib, self.seconds = memory_mib, seconds

    def __enter__(self) -> Sandbox:
        environment = os.environ | SETTINGS | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        program = f"from {__name__} import serve; serve({self.memory_mib}, {self.seconds})"
        command = [sys.executable, "-c", program]
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.communicate()

    def verify(self, path: str | Path) -> None:
        """Verify a shard, or a file of rewards within its buffer's folder, in a child.

        Raises:
            ShardError: If the file is not what was written, or the child crashes, hangs or runs out of memory.
            OSError: If the file cannot be read, or the server has ended.
        """
        path = Path(path).absolute()
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            self._server.stdin.write(json.dumps(str(path)) + "\n")
            self._server.stdin.flush()
            answer = json.loads(self._server.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            raise ChildProcessError(f"the sandbox that was to read {str(path)!r} has ended; run again") from error
        if "errno" in answer:
            raise OSError(answer["errno"], answer["problem"], str(path))
        if answer["problem"]:
            raise ShardError(answer["problem"])


def verify_untrusted(paths: Iterable[str | Path]) -> None:
    """Verify files from elsewhere in a sandbox.

    Raises:
        ShardError: If one is not what was written, or crashes, hangs or exhausts who reads it; the first is named.
        OSError: If one cannot be read.
    """
    with Sandbox() as sandbox:
        for path in paths:
            sandbox.verify(path)


def serve(memory_mib: int, seconds: float) -> None:
    """The server: answers each line of the standard input, a path, until it ends.

    Args:
        memory_mib: MiB that a child may reserve beyond what it begins with.
        seconds: After which a child is killed.
    """
    for line in sys.stdin:
        print(json.dumps(_verdict(Path(json.loads(line)), memory_mib, seconds)), flush=True)


def _verdict(path: Path, memory_mib: int, seconds: float) -> Answer:
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=_child, args=(path, memory_mib, there))
    child.start()
    there.close()
    child.join(seconds)
    if child.exitcode is None:
        child.kill()
        child.join()
        return _refusal(path, f"takes more than {seconds:g} s to read")
    with suppress(EOFError):  # it ended without an answer
        # Bytes and not an object: unpickling would run what a child that was taken over sends.
        answer: Answer = json.loads(here.recv_bytes(8 * LONGEST_ANSWER))
        return answer
    return _refusal(path, f"ends the process that reads it (exit code {child.exitcode})")


def _refusal(path: Path, why: str) -> Answer:
    return {"problem": f"shard {str(path)!r} is corrupt or hostile: it {why}; delete it, and do not open it"}


def _child(path: Path, memory_mib: int, there: Connection) -> None:
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # the server's own answers go through 1
        os.dup2(silent, descriptor)
    if (reserved := Path("/proc/self/statm")).is_file():  # only Linux tells, and keeps to such a limit
        limit = int(reserved.read_text().split()[0]) * resource.getpagesize() + (memory_mib << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: Answer = {"problem": ""}
    try:
        (verify_column if path.parent.parent.name == FOLDER else verify_file)(path)
    except ShardError as error:
        answer = {"problem": str(error)}
    except MemoryError:
        answer = _refusal(path, f"takes more than {memory_mib} MiB to read")
    except OSError as error:
        answer = {"problem": error.strerror or str(error), "errno": error.errno or 0}
    there.send_bytes(json.dumps({**answer, "problem": str(answer["problem"])[:LONGEST_ANSWER]}).encode())
