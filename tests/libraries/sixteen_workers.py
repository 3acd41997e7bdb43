"""A worker of a Grow step of which a third is killed the first time: in sampling, or between writing and publishing.

Usage: ``python sixteen_workers.py FOLDER WORKER/WORKERS``, or ``python sixteen_workers.py FOLDER rank`` by torchrun.
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

WORKERS = 16
DOOMED = (*range(0, WORKERS, 3),)
"""Who is killed: a third, of which every second one dies in publishing."""


class MortalSampler(FakeSampler):
    """Dies in its first shard, once.

    Args:
        task: Gives the words.
        folder: Of the buffer; that somebody died is noted beside it.
        worker: Whose it is; None is any, and dies in a third of the shards.
    """

    def __init__(self, task: TinyTask, folder: Path, worker: int | None) -> None:
        super().__init__(task)
        self.folder, self.worker = folder, worker

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        if self.worker is None and seed % 3 == 0:
            self.die(f"seed-{seed}")
        if self.worker is not None and self.worker in DOOMED and self.worker % 2 == 0:
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
        while self.worker is not None and len([*note.iterdir()]) < len(DOOMED) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGKILL)


def work(folder: Path, workers: Workers, worker: int | None) -> None:
    """A worker's part of the Grow step."""
    task = TinyTask()
    sampler = MortalSampler(task, folder, worker)
    if worker is not None and worker in DOOMED and worker % 2:
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
        work(folder, ByRank(state, threads=1), state.process_index)
        state.wait_for_everyone()
        state.destroy_process_group()
        return
    worker, workers = map(int, share.split("/"))
    work(folder, AsShare(worker, workers, threads=1), worker)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
