"""Scorer pool: another scorer in processes of its own, beside those that sample."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from seq2seq_env.scorers.models.process import ProcessScorer, ScorerProcessError
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec

Pair = tuple[str, str]
"""Source and hypothesis."""

_WORKER = Path(__file__).parents[1] / "pool_worker.py"


class PoolScorer(ScorerKind):
    """Rates pairs as another scorer does, by several processes that each have a copy of it.

    The pairs of a call, a whole shard's in Grow, go to the processes sorted by length, each distinct pair once, the
    longest first, in batches that do not depend on the number of processes: so the scores are the same bits whatever
    that is. Beside a scorer of the same process, whose networks see other batches, they are the same to 1e-6, and the
    fingerprint is the wrapped scorer's.

    **Back pressure.** A process has one batch at a time, and a call returns when all its pairs are scored: a thread of
    Grow that samples faster than the pool scores waits, and holds one shard.

    **Failures.** A process that dies, hangs or answers nonsense is started again, with a warning, and gets the same
    batch; after ``retries`` such restarts the call ends in an error once the other batches are scored, and when it is
    repeated, only the missing pairs are.

    The processes start at the first score, end with this one, however it ends, compute on one thread each, and on the
    GPUs in turn where the scorer is on one. Threads may share a pool. A pickle, and a forked process, start processes
    of their own.

    ```python
    >>> from seq2seq_env.scorers import load_scorer
    >>> load_scorer("pool: processes=4 phrasebook-qe")
    PoolScorer(LearnedScorer, processes=4)

    ```

    Args:
        scorer: What is wrapped.
        name: By which the processes load it, as :func:`seq2seq_env.load_scorer` does, without a task.
        device: Where they compute, "cpu" or "cuda".
        processes: At least 1.
        batch_size: Pairs that a process gets at a time, at least 1.
        timeout: Seconds that a batch may take.
        start_timeout: Seconds that the first batch of a fresh process may take.
        retries: Restarts for one batch.

    Raises:
        ValueError: If a number is out of range, or the device is one GPU of several.
    """

    def __init__(
        self,
        scorer: Scorer,
        name: str,
        *,
        device: str = "cpu",
        processes: int = 2,
        batch_size: int = 128,
        timeout: float = 300.0,
        start_timeout: float = 900.0,
        retries: int = 2,
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}; give at least 1")
        if ":" in device:
            raise ValueError(f"device is {device!r}, and a pool takes all GPUs in turn; give 'cuda'")
        self.scorer, self.processes = scorer, processes
        self._named = {"name": name, "device": device}
        self._options: dict[str, Any] = {
            "batch_size": batch_size, "timeout": timeout, "start_timeout": start_timeout, "retries": retries,
        }  # fmt: skip
        ProcessScorer("true", **self._options)  # refuses what it would refuse later
        self._begin()

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> PoolScorer:
        """The scorer that the one word names, pooled; see :meth:`ScorerKind.from_spec`."""
        options = spec.keyword_arguments(cls)
        (name,) = spec.scorer_names(1, "one")
        return cls(load(name), name, **options, device=device)

    def _begin(self) -> None:
        self._lock = Lock()
        self._workers: _Workers | None = None
        self._kept: dict[Pair, float] = {}  # of calls that failed
        _POOLS.add(self)

    @property
    def fingerprint(self) -> str:
        """The wrapped scorer's."""
        return self.scorer.fingerprint

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If sources and hypotheses differ in number.
            ScorerProcessError: If a batch fails more often than ``retries`` allows; the other scores are kept.
        """
        pairs = list(zip(sources, hypotheses, strict=True))
        with self._lock:
            scores = {pair: self._kept[pair] for pair in dict.fromkeys(pairs) if pair in self._kept}
            if pairs and self._workers is None:
                named = self._named | {"fingerprint": self.fingerprint}
                self._workers = _Workers(named, self.processes, self._options)
            workers = self._workers
        new = [pair for pair in dict.fromkeys(pairs) if pair not in scores]
        if workers is not None and new:
            fresh, failure = workers.rate(new, self._options["batch_size"])
            scores |= fresh
            if failure is not None:
                with self._lock:
                    self._kept |= scores
                raise ScorerProcessError(
                    f"{len(new) - len(fresh)} of {len(new)} pairs were not scored; the scores of the others are kept, "
                    f"and the same call asks only for what is missing: {failure}"
                ) from failure
        with self._lock:
            for pair in scores:
                self._kept.pop(pair, None)
        return np.fromiter((scores[pair] for pair in pairs), dtype=np.float32, count=len(pairs))

    def close(self) -> None:
        """End the processes; a later score starts them again."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()
                self._workers = None

    def __getstate__(self) -> dict[str, Any]:
        return {"scorer": self.scorer, "processes": self.processes, "options": self._options | self._named}

    def __setstate__(self, state: dict[str, Any]) -> None:
        PoolScorer.__init__(self, state["scorer"], processes=state["processes"], **state["options"])

    def __repr__(self) -> str:
        return f"PoolScorer({type(self.scorer).__name__}, processes={self.processes})"


class _Workers:
    """The processes of a pool, and a thread for each that waits for its answers."""

    def __init__(self, named: dict[str, str], processes: int, options: dict[str, Any]) -> None:
        # The working folder's name is empty.
        path = [str(Path(place).absolute()) for place in sys.path]
        self._programs = [
            ProcessScorer([sys.executable, "-P", _WORKER, json.dumps({**named, "path": path, "rank": rank})], **options)
            for rank in range(processes)
        ]
        self._idle: SimpleQueue[ProcessScorer] = SimpleQueue()
        for program in self._programs:
            self._idle.put(program)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="scorer pool")

    def rate(self, pairs: Sequence[Pair], batch_size: int) -> tuple[dict[Pair, float], ScorerProcessError | None]:
        """Scores of distinct pairs, and the first failure, whose batch has none."""
        # The longest first: those that are left when a process has nothing more to do are short.
        ordered = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]), reverse=True)
        batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
        asked: dict[Future[list[float]], list[Pair]] = {self._threads.submit(self._ask, each): each for each in batches}
        scores: dict[Pair, float] = {}
        failure: ScorerProcessError | None = None
        try:
            for answer in as_completed(asked):
                try:
                    scores.update(zip(asked[answer], answer.result(), strict=True))
                except ScorerProcessError as error:
                    failure = failure or error
        finally:  # an interrupt: what has not begun need not
            for answer in asked:
                answer.cancel()
        return scores, failure

    def _ask(self, batch: Sequence[Pair]) -> list[float]:
        program = self._idle.get()
        try:
            scores: list[float] = program.score([source for source, _ in batch], [text for _, text in batch]).tolist()
            return scores
        finally:
            self._idle.put(program)

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(cancel_futures=True)
        for program in self._programs:
            program.close()


_POOLS: WeakSet[PoolScorer] = WeakSet()


def _after_fork() -> None:
    for pool in list(_POOLS):
        pool._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
