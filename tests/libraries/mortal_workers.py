"""A worker of a Grow step of which a third is killed the first time: in sampling, or between writing and publishing.

Usage: ``python mortal_workers.py FOLDER WORKER/WORKERS``, or ``python mortal_workers.py FOLDER rank`` by torchrun.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buffers import AsShare, ByRank, GrowingBatchBuffer, Samples, grow
from buffers.growing.workers import Workers
from seq2seq_env.process_group import join_after_restart
from tests.buffers.conftest import FakeSampler
from tests.conftest import OverlapScorer, TinyTask


def doomed(workers: int) -> range:
    """Who is killed of as many: a third, of which every second one dies in publishing."""
    return range(0, workers, 3)


class MortalSampler(FakeSampler):
    """Dies in its first shard, once.

    Args:
        task: Gives the words.
        folder: Of the buffer; that somebody died is noted beside it.
        worker: Whose it is; None is any, and dies in a third of the shards.
        workers: All of them.
    """

    def __init__(self, task: TinyTask, folder: Path, worker: int | None, workers: int) -> None:
        super().__init__(task)
        self.folder, self.worker, self.doomed = folder, worker, doomed(workers)

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        if self.worker is None and seed % 3 == 0:
            self.die(f"seed-{seed}")
        if self.worker is not None and self.worker in self.doomed and self.worker % 2 == 0:
            self.die(str(self.worker))
        return super().sample(sources, num_candidates, temperature, seed)

    def die(self, name: str) -> None:
        """Once under this name, and of workers all together: a launcher that stops for one stops for all."""
        note = self.folder.with_name(f"{self.folder.name}-died")
        note.mkdir(exist_ok=True)
        if (note / name).exists():
            return
        (note / name).touch()
        deadline = time.monotonic() + 120
        while self.worker is not None and len([*note.iterdir()]) < len(self.doomed) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)


def work(folder: Path, workers: Workers, worker: int | None = None, count: int = 0) -> None:
    """The part of the Grow step of a worker of ``count``, or all of it."""
    task = TinyTask()
    sampler = MortalSampler(task, folder, worker, count)
    if worker is not None and worker in sampler.doomed and worker % 2:
        flush = os.fsync

        def die_once(fd: Any) -> None:
            sampler.die(str(worker))
            flush(fd)

        os.fsync = die_once
    grow(
        sampler, OverlapScorer(task), task, GrowingBatchBuffer(folder, task=task), grow_step=1, candidates=3,
        temperature=0.8, seed=5, sources_per_shard=1, workers=workers, progress=False,
    )  # fmt: skip


def main(folder: Path, share: str) -> None:
    """See the module."""
    if share == "rank":
        from accelerate import PartialState  # type: ignore[import-untyped]

        join_after_restart()
        state = PartialState(cpu=True)
        work(folder, ByRank(state, threads=1), state.process_index, state.num_processes)
        state.wait_for_everyone()
        state.destroy_process_group()
        return
    worker, workers = map(int, share.split("/"))
    work(folder, AsShare(worker, workers, threads=1), worker, workers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
