"""Process scorer: another program, in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shlex
import signal
import subprocess
import threading
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet, finalize

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.child_processes import guard_group
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec, absolute

# What is kept of a program's standard error, characters of a line and lines; and what is shown of it.
_LINE, _LINES, _SHOWN = 1_000, 20, 2_000
_LARGEST = float(np.finfo(np.float32).max)

Batch = Sequence[tuple[str, str]]
"""Pairs of source and hypothesis."""


class ScorerProcessError(ChildProcessError):
    """The program could not be started, died, took too long or answered something else than scores."""


class ProcessScorer(ScorerKind):
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

    The program is started at the first score and ends with this process, and with it all that it has started. Where it
    dies, is silent for too long or answers something else, it is started again, with a warning, and gets the same
    batch; after ``retries`` such restarts for one batch the error shows the end of its standard error. Threads may
    share a scorer, their batches take turns; where they do, Ctrl-C waits for the answer under way. A pickle, and a
    forked process, start a program of their own.

    Args:
        command: The program and its arguments, as a list or as a shell would split them; no shell is started.
        batch_size: Pairs of a line at most.
        timeout: Seconds that an answer may take.
        start_timeout: Seconds that the first answer of a fresh program may take, which loads its model.
        retries: Restarts for one batch.
        bounded: Whether a score outside [0, 1] is a failure of the program; else any finite number is taken, for a
            :class:`seq2seq_env.scorers.NormalisedScorer`.

    Raises:
        ValueError: If the command cannot be read or is empty, or a number is out of range.
    """

    def __init__(
        self,
        command: str | Sequence[str | Path],
        *,
        batch_size: int = 256,
        timeout: float = 300.0,
        start_timeout: float = 900.0,
        retries: int = 2,
        bounded: bool = True,
    ) -> None:
        try:
            words = shlex.split(command) if isinstance(command, str) else command
        except ValueError as error:
            raise ValueError(f"the command {command!r} cannot be read ({error}); quote it as for a shell") from error
        self.command = [os.fspath(word) for word in words]
        if not self.command:
            raise ValueError(f"the command {command!r} names no program; write it after process:")
        for name, value, low in (("batch_size", batch_size, 1), ("retries", retries, 0)):
            if value < low:
                raise ValueError(f"{name} is {value}; give {low} or more")
        for name, seconds in (("timeout", timeout), ("start_timeout", start_timeout)):
            if not 0 < seconds <= threading.TIMEOUT_MAX:
                raise ValueError(f"{name} is {seconds}; give seconds above 0, at most {threading.TIMEOUT_MAX:.0f}")
        self.batch_size, self.retries = batch_size, retries
        self.timeout, self.start_timeout = timeout, start_timeout
        self.bounded = bounded
        self._begin()

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> ProcessScorer:
        """The scorer whose command the words are; see :meth:`ScorerKind.from_spec`."""
        return cls(spec.words, **spec.keyword_arguments(cls))

    @classmethod
    def resolve(cls, spec: ScorerSpec, base: Path, resolve_name: Callable[[str], str]) -> ScorerSpec:
        """See :meth:`ScorerKind.resolve`; a command's words name files, but for the program, which is on the PATH."""
        words = [*spec.words[:1], *(absolute(word, base, Path.is_file) for word in spec.words[1:])]
        return replace(spec, words=words)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._running: _Program | None = None
        _SCORERS.add(self)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the command and of the files that it names; what else they read is not seen."""
        digest = hashlib.sha256()
        for word in self.command:
            digest.update(word.encode() + b"\0")
            if os.path.isfile(word):  # noqa: PTH113  # unlike Path.is_file it takes a word too long for a name
                digest.update(Path(word).read_bytes() + b"\0")
        return digest.hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32, as the program gives them.

        Raises:
            ScorerProcessError: If the program cannot be started, or fails more often than ``retries`` allows.
        """
        pairs = list(zip(sources, hypotheses, strict=True))
        scores = np.empty(len(pairs), dtype=np.float32)
        with self._lock:
            try:
                for start in range(0, len(pairs), self.batch_size):
                    batch = pairs[start : start + self.batch_size]
                    scores[start : start + len(batch)] = self._ask(batch)
            except BaseException:
                self._stop()  # an answer that is still to come must not be taken for the next batch's
                raise
        return scores

    def close(self) -> None:
        """End the program; a later score starts it again."""
        with self._lock:
            self._stop()

    def _ask(self, batch: Batch) -> list[float]:
        name = shlex.join(self.command)
        for restarts in range(1 + self.retries):
            if self._running is not None and self._running.has_ended:
                warnings.warn(f"the scorer {name!r} ended between two batches and is started again", stacklevel=4)
                self._stop()
            timeout = self.timeout if self._running else self.start_timeout
            program = self._running = self._running or _Program(self.command, self.bounded)
            try:
                return program.ask(batch, timeout)
            except ScorerProcessError as error:
                self._stop()
                if restarts == self.retries:
                    raise ScorerProcessError(
                        f"the scorer {name!r} failed {1 + restarts} times in a row; last: {error}"
                    ) from error
                warnings.warn(f"the scorer {name!r} is started again: {error}", stacklevel=4)
        raise AssertionError("unreachable")

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_running")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __repr__(self) -> str:
        return f"ProcessScorer({shlex.join(self.command)!r})"


class _Program:
    """One run of the program."""

    def __init__(self, command: Sequence[str], bounded: bool) -> None:
        self._wanted = "numbers in [0, 1]" if bounded else "finite numbers"
        self._range = (0.0, 1.0) if bounded else (-_LARGEST, _LARGEST)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace", start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ScorerProcessError(
                f"the scorer {shlex.join(command)!r} cannot be started ({error}); check the command"
            ) from error
        self.stop = finalize(self, _end, self._process, guard_group(self._process.pid), os.getpid())
        self._answers: queue.Queue[str] = queue.Queue()
        self._complaints: deque[str] = deque(maxlen=_LINES)
        # Threads, because a pipe that nobody reads fills up and stops the program.
        self._readers = [
            threading.Thread(target=_pass_on, args=arguments, daemon=True)
            for arguments in (
                (self._process.stdout, -1, self._answers.put),
                (self._process.stderr, _LINE, self._complaints.append),
            )
        ]
        for reader in self._readers:
            reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether it runs no longer."""
        return self._process.poll() is not None

    def ask(self, batch: Batch, timeout: float) -> list[float]:
        """The scores of one batch."""
        if not self._answers.empty():
            unasked = self._answers.get()
            if not unasked:
                raise self._error(self._end_of_output())
            raise self._error(f"it wrote {unasked[:200].strip()!r} unasked; it may write one line for a batch, no more")
        line = json.dumps({"sources": [s for s, _ in batch], "hypotheses": [h for _, h in batch]}) + "\n"
        # A program that does not read must not hold us up for ever.
        threading.Thread(target=self._write, args=(line,), daemon=True).start()
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise self._error(f"no answer within {timeout:g} seconds") from None
        if not answer:
            raise self._error(self._end_of_output())
        try:
            scores = json.loads(answer)["scores"]
            numbers = [_number(score, *self._range) for score in scores] if isinstance(scores, list) else None
        except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
            numbers = None
        if numbers is None:
            raise self._error(f'it answered {answer[:200].strip()!r}, not {{"scores": [...]}} with {self._wanted}')
        if len(numbers) != len(batch):
            raise self._error(f"it answered {len(numbers)} scores for {len(batch)} pairs")
        return numbers

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended, which the answers tell
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _end_of_output(self) -> str:
        try:
            return f"it ended with exit code {self._process.wait(timeout=5)}"
        except subprocess.TimeoutExpired:
            return "it closed its standard output"

    def _error(self, what: str) -> ScorerProcessError:
        if self.has_ended:
            self._readers[1].join(timeout=5)
        said = "".join(list(self._complaints)).strip()[-_SHOWN:]
        return ScorerProcessError(what + (f"; it said:\n{said}" if said else "; it said nothing on standard error"))


def _number(score: object, low: float, high: float) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float) or not low <= score <= high:
        raise ValueError(f"{score!r} is no score")
    return float(score)


def _pass_on(stream: IO[str], most: int, take: Callable[[str], object]) -> None:
    """Lines of a stream, the last of them empty."""
    with stream:
        for line in chain(iter(partial(stream.readline, most), ""), [""]):
            take(line)


def _end(process: subprocess.Popen[str], guard: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork: the program is its parent's
        return
    guard.kill()
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()
    # What runs a program in another environment (conda run, say) is its parent, so all of them are ended.
    with suppress(OSError, AttributeError):  # they have ended; Windows has no groups
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):  # what it did not read
            process.stdin.close()


_SCORERS: WeakSet[ProcessScorer] = WeakSet()


def _after_fork() -> None:
    for scorer in list(_SCORERS):
        scorer._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
