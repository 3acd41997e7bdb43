"""A scorer that is another program, in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

PREFIX = "process:"
"""What a name for :func:`seq2seq_env.scorers.load_scorer` begins with; the command follows."""

_STDERR_LINES = 20


class ScorerProcessError(ChildProcessError):
    """The program could not be started, died, took too long or answered something else than scores."""


class ProcessScorer:
    """Rates pairs by a program that reads and writes lines of JSON, so that its packages need not fit ours.

    For each line ``{"sources": [...], "hypotheses": [...]}`` on its standard input the program writes one line
    ``{"scores": [...]}`` with as many numbers in [0, 1] on its standard output, and flushes it:

    ```python
    import json, sys

    model = ...  # loaded once
    for line in sys.stdin:
        batch = json.loads(line)
        scores = [float(score) for score in model.predict(batch["sources"], batch["hypotheses"])]
        print(json.dumps({"scores": scores}), flush=True)
    ```

    The program is started at the first score and ends with this process. Where it dies, is silent for too long or
    answers something else, it is started again and gets the same batch; after ``retries`` such failures in a row the
    error shows the end of its standard error. Threads may share a scorer, their batches take turns. A pickle takes the
    command along and starts a program of its own.

    Args:
        command: The program and its arguments, as a list or as a shell would split them; no shell is started.
        batch_size: Pairs of a line at most.
        timeout: Seconds that an answer may take.
        start_timeout: Seconds that the first answer of a fresh program may take, which loads its model.
        retries: Failures in a row after which it is given up.

    Raises:
        ValueError: If the command is empty or a number is out of range.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        batch_size: int = 256,
        timeout: float = 300.0,
        start_timeout: float = 900.0,
        retries: int = 2,
    ) -> None:
        self.command = shlex.split(command) if isinstance(command, str) else list(command)
        if not self.command:
            raise ValueError(f"the command {command!r} names no program; write it after {PREFIX}")
        for name, value, low in (("batch_size", batch_size, 1), ("retries", retries, 0)):
            if value < low:
                raise ValueError(f"{name} is {value}; give {low} or more")
        for name, seconds in (("timeout", timeout), ("start_timeout", start_timeout)):
            if not seconds > 0:
                raise ValueError(f"{name} is {seconds}; give seconds above 0")
        self.batch_size, self.retries = batch_size, retries
        self.timeout, self.start_timeout = timeout, start_timeout
        self._lock = threading.Lock()
        self._running: _Program | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the command and of the files that it names; what else they read is not seen."""
        digest = hashlib.sha256()
        for word in self.command:
            digest.update(word.encode() + b"\0")
            if Path(word).is_file():
                digest.update(Path(word).read_bytes() + b"\0")
        return digest.hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32, as the program gives them.

        Raises:
            ScorerProcessError: If the program fails more often than ``retries`` allows.
        """
        pairs = list(zip(sources, hypotheses, strict=True))
        scores = np.empty(len(pairs), dtype=np.float32)
        with self._lock:
            for start in range(0, len(pairs), self.batch_size):
                batch = pairs[start : start + self.batch_size]
                scores[start : start + len(batch)] = self._ask(batch)
        return scores

    def close(self) -> None:
        """End the program; a later score starts it again."""
        with self._lock:
            self._stop()

    def _ask(self, batch: list[tuple[str, str]]) -> list[float]:
        for failures in range(1 + self.retries):
            fresh = self._running is None
            try:
                if self._running is None:
                    self._running = _Program(self.command)
                return self._running.ask(batch, self.start_timeout if fresh else self.timeout)
            except ScorerProcessError as error:
                self._stop()
                if failures == self.retries:
                    raise ScorerProcessError(
                        f"the scorer {shlex.join(self.command)!r} failed {1 + failures} times in a row; last: {error}"
                    ) from error
        raise AssertionError("unreachable")

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_running")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock, self._running = threading.Lock(), None

    def __repr__(self) -> str:
        return f"ProcessScorer({shlex.join(self.command)!r})"


class _Program:
    """One run of the program."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ScorerProcessError(f"it cannot be started ({error}); check the command") from error
        self.stop = finalize(self, _end, self._process)
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._complaints: deque[str] = deque(maxlen=_STDERR_LINES)
        # Threads, because a pipe that nobody reads fills up and stops the program.
        self._readers = [
            threading.Thread(target=_pass_on, args=arguments, daemon=True)
            for arguments in (
                (self._process.stdout, self._answers.put, partial(self._answers.put, None)),
                (self._process.stderr, self._complaints.append),
            )
        ]
        for reader in self._readers:
            reader.start()

    def ask(self, batch: list[tuple[str, str]], timeout: float) -> list[float]:
        """The scores of one batch."""
        line = json.dumps({"sources": [s for s, _ in batch], "hypotheses": [h for _, h in batch]}) + "\n"
        writer = threading.Thread(target=self._write, args=(line,), daemon=True)
        writer.start()  # a program that does not read must not hold us up for ever
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise self._error(f"no answer within {timeout:g} seconds; a slow one needs a longer timeout") from None
        if answer is None:
            raise self._error(f"it ended with exit code {self._process.wait()}")
        try:
            scores = json.loads(answer)["scores"]
            numbers = [float(score) for score in scores]
        except (ValueError, KeyError, TypeError) as error:
            raise self._error(f'it answered {answer[:200].strip()!r}, not {{"scores": [...]}} ({error})') from error
        if len(numbers) != len(batch):
            raise self._error(f"it answered {len(numbers)} scores for {len(batch)} pairs")
        return numbers

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (OSError, ValueError):  # it has ended, which the answers tell
            return

    def _error(self, what: str) -> ScorerProcessError:
        if self._process.poll() is not None:
            self._readers[1].join(timeout=5)
        said = "".join(self._complaints).strip()
        return ScorerProcessError(what + (f"; it said:\n{said}" if said else "; it said nothing on standard error"))


def _pass_on(stream: IO[str], take: Callable[[str], object], at_end: Callable[[], object] = lambda: None) -> None:
    with stream:
        for line in stream:
            take(line)
    at_end()


def _end(process: subprocess.Popen[str]) -> None:
    # What runs a program in another environment (conda run, say) is its parent, so all of them are ended.
    if hasattr(os, "killpg") and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):  # what it did not read
            process.stdin.close()
