"""Sandbox for files from elsewhere: each is first read whole in a child process with limits of memory and time.

HDF5's library does what a file's metadata say, and has crashed, looped and allocated without end on metadata made for
that. So a small server, which has imported what reads a shard and nothing else, forks a child that reads one file after
another, and is replaced at the first that it does not accept: forking costs several times what reading a small shard
does.

**What is guaranteed.** A file is accepted if a process like the caller's read it whole and came to no harm, and nothing
that was refused has been in that process: a file that crashes, hangs or fills its child, or is refused in any other
way, has no say about another, though what it did to HDF5 can outlive its refusal. A file is refused by a child that
read nothing before, so no other can have it refused.

**What is not.** A child has the rights of its user. A file that does not crash HDF5 but makes it run code of the file's
own could have itself accepted, and what that child reads after it; the caller, which opens what was accepted, would be
its own then, with a child for each file, too. So nothing is lost by a child for many: whatever went before a file in
its child was accepted, and is what the caller reads as well.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn

from buffers.storage.container import SchemaError, ShardError
from buffers.storage.reward_columns import FOLDER, verify_column
from buffers.storage.shard import verify_file

MEMORY_MIB = 4_096
SECONDS = 60.0

LONGEST_PROBLEM, MOST_ANSWER = 10_000, 80_000
"""Characters of a sentence, and bytes of the JSON around it."""

SETTINGS = {
    "OMP_NUM_THREADS": "1",  # threads of a linear algebra library would not survive the fork
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",  # HDF5's way to say that no filter is loaded from a library
}


class Answer(NamedTuple):
    """What is wrong with a file."""

    errno: int = 0
    """0 unless the problem is the system's own."""
    problem: str = ""
    """In one sentence; empty where there is none."""
    is_other_schema: bool = False
    """Whether the problem is its schema version alone."""


ACCEPTED = Answer()

_ROOT = Path(__file__).parents[2]


class Sandbox:
    """A server whose children verify files; use it as a context manager, and for many files.

    Args:
        memory_mib: MiB that a child may reserve beyond what it begins with, on Linux.
        seconds: After which a child is killed.
    """

    def __init__(self, memory_mib: int = MEMORY_MIB, seconds: float = SECONDS) -> None:
        self.memory_mib, self.seconds = memory_mib, seconds

    def __enter__(self) -> Sandbox:
        # Never the working directory, which may be the untrusted folder: an empty name is left out, and -P adds none.
        places = [str(Path(place).absolute()) for place in sys.path if place] + [str(_ROOT)]
        environment = os.environ | SETTINGS | {"PYTHONPATH": os.pathsep.join(places)}
        program = f"from {__name__} import serve; serve({self.memory_mib}, {self.seconds})"
        command = [sys.executable, "-P", "-c", program]
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
            ShardError: If the file is not what was written, or the child crashes, hangs or runs out of memory;
                :class:`SchemaError` if it has another schema version.
            OSError: If the file cannot be read, or the server has ended.
        """
        path = Path(path).absolute()
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        try:
            self._server.stdin.write(json.dumps(str(path)) + "\n")
            self._server.stdin.flush()
            answer = Answer(*json.loads(self._server.stdout.readline()))
        except (BrokenPipeError, ValueError) as error:
            raise ChildProcessError(f"the sandbox that was to read {str(path)!r} has ended; run again") from error
        if answer.errno:
            raise OSError(answer.errno, answer.problem, str(path))
        if answer.problem:
            raise (SchemaError if answer.is_other_schema else ShardError)(answer.problem)


def verify_untrusted(paths: Iterable[str | Path]) -> None:
    """Verify files from elsewhere in a sandbox.

    Raises:
        ShardError: If one is not what was written, or crashes, hangs or exhausts who reads it; the first is named.
        OSError: If one cannot be read.
    """
    with Sandbox() as sandbox:
        for path in paths:
            sandbox.verify(path)


def verify_any(path: Path) -> None:
    """Verify a shard, or a file of rewards within its buffer's folder, in this process.

    Raises:
        ShardError: If the file is not what was written.
        OSError: If it cannot be read.
    """
    # A buffer's own folder may lie in one of that name; there its shards have no shard two folders above.
    is_column = path.parent.parent.name == FOLDER and (path.parents[2] / path.name).is_file()
    (verify_column if is_column else verify_file)(path)


def serve(memory_mib: int, seconds: float) -> None:
    """The server: answers each line of the standard input, a path, until it ends.

    Args:
        memory_mib: MiB that a child may reserve beyond what it begins with.
        seconds: For a file, after which the child that reads it is killed.
    """
    child: Child | None = None
    for line in sys.stdin:
        path, fresh = Path(json.loads(line)), child is None
        child = child or Child(memory_mib)
        answer = child.verify(path, seconds)
        if answer != ACCEPTED and not fresh:
            # What it read before may have harmed it, so the refusal counts only if another child repeats it.
            child.end()
            child = Child(memory_mib)
            answer = child.verify(path, seconds)
        if answer != ACCEPTED:
            child.end()
            child = None
        print(json.dumps(answer), flush=True)
    if child:
        child.end()


class Child:
    """A process, forked from this one, that verifies files one after another.

    Args:
        memory_mib: MiB that it may reserve beyond what it begins with.
    """

    def __init__(self, memory_mib: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._process = os.fork()
        if not self._process:
            self._socket.close()
            _answer(theirs, memory_mib)
        theirs.close()

    def verify(self, path: Path, seconds: float) -> Answer:
        """Its answer, or what became of it instead."""
        try:
            content = self._ask(json.dumps(str(path)), time.monotonic() + seconds)
        except TimeoutError:
            return _refusal(path, f"takes more than {seconds:g} s to read")
        except OSError:  # closed before it was asked
            content = b""
        if not content:
            return _refusal(path, f"ends the process that reads it (exit code {self.end()})")
        try:
            # JSON, and not a pickle, which would run what a child that was taken over sends.
            errno, problem, is_other_schema = json.loads(content)
            return Answer(int(errno), str(problem), bool(is_other_schema))
        except (ValueError, TypeError):
            return _refusal(path, "makes the process that reads it answer nonsense")

    def end(self) -> int:
        """Kill it, unless it has ended by itself; its exit code."""
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
            self._process = 0
            self._socket.close()
        return self._code

    def _ask(self, question: str, deadline: float) -> bytes:
        """What it answers, a line; nothing if it ends before."""
        self._socket.sendall(question.encode() + b"\n")
        content = b""
        while not content.endswith(b"\n") and len(content) <= MOST_ANSWER:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            part = self._socket.recv(MOST_ANSWER)
            if not part:
                return b""
            content += part
        return content


def _answer(questions: socket.socket, memory_mib: int) -> NoReturn:
    """What a child does until it is killed."""
    try:
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # the server's own questions and answers go through 0 and 1
            os.dup2(silent, descriptor)
        if (reserved := Path("/proc/self/statm")).is_file():  # only Linux tells, and keeps to such a limit
            limit = int(reserved.read_text().split()[0]) * resource.getpagesize() + (memory_mib << 20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for line in questions.makefile("rb"):
            answer = _verdict(Path(json.loads(line)), memory_mib)
            answer = answer._replace(problem=answer.problem[:LONGEST_PROBLEM])
            questions.sendall(json.dumps(answer).encode() + b"\n")
    finally:
        os._exit(1)  # whatever it was: it must not go on as a second server


def _verdict(path: Path, memory_mib: int) -> Answer:
    try:
        verify_any(path)
    except ShardError as error:
        return Answer(problem=str(error), is_other_schema=isinstance(error, SchemaError))
    except MemoryError:
        return _refusal(path, f"takes more than {memory_mib} MiB to read")
    except OSError as error:
        return Answer(error.errno or 0, error.strerror or str(error))
    return ACCEPTED


def _refusal(path: Path, why: str) -> Answer:
    return Answer(problem=f"shard {str(path)!r} is corrupt or hostile: it {why}; delete it, and do not open it")
