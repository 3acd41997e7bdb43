"""Workers that make the shards of a Grow step: threads, the ranks of a launcher, a cluster's own, or Ray.

There is no queue and no lock: a shard is the same bytes whoever makes it, so a shard made twice does no harm.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from buffers.growing.plan import GrowPlan
from buffers.growing_batch import GrowingBatchBuffer
from buffers.storage.object_store import ObjectStore
from buffers.storage.shard import publish_shard
from seq2seq_env.extras import require

IN_FLIGHT = 2
"""Shards for each thread that are being made or wait to be published: no more lie in memory, or go with a kill."""

Done = Callable[[int], object]
"""Takes the number of sources of a shard that is there now."""


class Workers(Protocol):
    """Makes shards."""

    def __call__(self, plan: GrowPlan, buffer: GrowingBatchBuffer, units: Sequence[int], done: Done) -> None:
        """Publish the units of a plan, or a share of them, and return when those are there.

        Args:
            plan: What to make.
            buffer: Where to publish.
            units: Their numbers, in any order.
            done: To be called as shards appear.
        """


class InThreads:
    """Threads of this process, a shard each.

    A shard is made on one of PyTorch's threads: how many of them share a sum decides in which order it is added, and so
    its last bits. Shards side by side take the other cores.

    Args:
        threads: At least 1; None takes as many as PyTorch would use.

    Raises:
        ValueError: If ``threads`` is below 1.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; give at least 1")
        self.threads = threads

    def __call__(self, plan: GrowPlan, buffer: GrowingBatchBuffer, units: Sequence[int], done: Done) -> None:
        """See :class:`Workers`."""
        failure: BaseException | None = None
        with _single_threaded_torch() as available:
            threads, left = self.threads or available, iter(units)
            pool = ThreadPoolExecutor(threads, initializer=_one_thread)
            making = {pool.submit(plan.make, unit): unit for unit in islice(left, IN_FLIGHT * threads)}
            # Threads make, this thread alone publishes: the buffer's index needs no lock.
            try:
                while making:
                    finished, _ = wait(making, return_when=FIRST_COMPLETED)
                    for made in [each for each in making if each in finished]:  # in the order of the units
                        unit = making.pop(made)
                        if made.cancelled():
                            continue
                        if error := made.exception():
                            failure = failure or error
                            for other in making:  # those that run already are still published
                                other.cancel()
                            continue
                        buffer.append(made.result(), plan.provenance(unit))
                        done(len(plan.rows_of(unit)))
                        if not failure:
                            making |= {pool.submit(plan.make, unit): unit for unit in islice(left, 1)}
            finally:
                pool.shutdown(cancel_futures=True)
        if failure:
            raise failure


class Processes(Protocol):
    """What :class:`ByRank` needs of a launcher; ``accelerate.PartialState()`` is one."""

    @property
    def process_index(self) -> int:
        """This process's rank."""

    @property
    def num_processes(self) -> int:
        """How many there are."""

    def wait_for_everyone(self) -> None:
        """Return when every process has called it."""


class ByRank:
    """The processes of ``torchrun`` or the like, which see one folder or object store; units are strided by rank.

    Args:
        processes: ``accelerate.PartialState()``, say.
        threads: Of each process, as in :class:`InThreads`.
    """

    def __init__(self, processes: Processes, threads: int | None = None) -> None:
        self.processes, self._in_threads = processes, InThreads(threads)

    def __call__(self, plan: GrowPlan, buffer: GrowingBatchBuffer, units: Sequence[int], done: Done) -> None:
        """See :class:`Workers`."""
        rank, ranks = self.processes.process_index, self.processes.num_processes
        # By number and not by place in the list: a rank that looks later may find fewer of them missing.
        mine = [unit for unit in units if unit % ranks == rank]
        self._in_threads(plan, buffer, mine, done)
        self.processes.wait_for_everyone()
        others = [unit for unit in units if unit % ranks != rank]
        missing = {*buffer.missing(plan.first.grow_step, others)}
        for unit in others:
            if unit not in missing:
                done(len(plan.rows_of(unit)))


class AsShare:
    """One of several workers that need not know of each other, such as the tasks of a SLURM array or indexed pods.

    They see one folder or object store, take units strided by their number, and none waits for another: who ends first,
    is killed or never starts costs the others nothing. The Grow step is whole when every share is.

    Args:
        index: This worker's number, at least 0 and below ``count``.
        count: Workers that there are, or will be, at least 1.
        threads: Of this worker, as in :class:`InThreads`.

    Raises:
        ValueError: If there is no such worker.
    """

    def __init__(self, index: int, count: int, threads: int | None = None) -> None:
        if not 0 <= index < count:
            raise ValueError(
                f"there is no share {index}/{count}; {count} workers take 0/{count} to {count - 1}/{count}"
                if count > 0
                else f"there is no share {index}/{count}; give the number of workers, at least 1, behind the slash"
            )
        self.index, self.count, self._in_threads = index, count, InThreads(threads)

    def __call__(self, plan: GrowPlan, buffer: GrowingBatchBuffer, units: Sequence[int], done: Done) -> None:
        """See :class:`Workers`."""
        self._in_threads(plan, buffer, [unit for unit in units if unit % self.count == self.index], done)


class OnRay:
    """Ray tasks, a shard each, on whatever the Ray cluster has; all machines see one folder or object store.

    A task whose worker dies is run again by Ray. Needs the extra ``ray``.

    Args:
        cpus: Of one task.
        gpus: Of one task; a share is allowed.
        retries: How often a task may be run again.
    """

    def __init__(self, cpus: float = 1, gpus: float = 0, retries: int = 3) -> None:
        self.options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": retries}

    def __call__(self, plan: GrowPlan, buffer: GrowingBatchBuffer, units: Sequence[int], done: Done) -> None:
        """See :class:`Workers`.

        Raises:
            ImportError: If Ray is not installed.
        """
        ray = self._started()
        publish, shared = ray.remote(**self.options)(_publish), ray.put(plan)
        step = plan.first.grow_step
        files = {unit: os.fspath(buffer.file(step, unit).absolute()) for unit in units}
        making = {publish.remote(shared, unit, files[unit], buffer.store): unit for unit in units}
        while making:
            finished, _ = ray.wait(list(making))
            for task in finished:
                ray.get(task)
                unit = making.pop(task)
                if buffer.has(step, unit):
                    done(len(plan.rows_of(unit)))

    def _started(self) -> Any:
        ray = require("ray", "OnRay")
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False)
        return ray


def _publish(plan: GrowPlan, unit: int, file: str, store: ObjectStore | None) -> None:
    _one_thread()
    publish_shard(Path(file), plan.make(unit), plan.provenance(unit), store)


def _one_thread() -> None:
    """PyTorch on one thread in the calling one."""
    import torch

    torch.set_num_threads(1)


@contextmanager
def _single_threaded_torch() -> Iterator[int]:
    """PyTorch on one thread; gives the number of threads that it had, and has again afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
