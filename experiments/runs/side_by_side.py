"""Parts of a run that do not depend on each other, done at the same time, each in a process of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import TypeVar

from experiments.runs.experiment import Experiment
from experiments.runs.settings import Settings
from seq2seq_env.child_processes import end_with_parent

C = TypeVar("C", bound=Settings)
P = TypeVar("P")


def side_by_side(
    work: Callable[[Experiment[C], P], None], run: Experiment[C], parts: Sequence[P], jobs: int | None = None
) -> None:
    """Do ``work`` for each part, on a CPU several at a time.

    Args:
        work: A function of a module, which finishes stages of its own in the run's folder.
        run: What the parts belong to.
        parts: In order.
        jobs: How many at a time, each on its share of PyTorch's threads; None for as many as there are threads. A small
            network gets more from a thread of its own than from a second thread.

    Raises:
        ChildProcessError: If a process is killed. Finished stages stay.
    """
    import torch
    from accelerate import PartialState  # type: ignore[import-untyped]

    alone = run.config.device == "cpu" and PartialState().num_processes == 1
    at_once = min(jobs or torch.get_num_threads(), len(parts)) if alone else 1
    if at_once <= 1:
        for part in parts:
            work(run, part)
        return
    quiet = replace(run, config=replace(run.config, improve=replace(run.config.improve, progress=False)))
    # A fork of a PyTorch that has computed hangs in its first parallel loop. This server has only imported it, once for
    # all processes.
    context, threads = get_context("forkserver"), max(1, torch.get_num_threads() // at_once)
    context.set_forkserver_preload(["__main__", "accelerate", "transformers.models.marian.modeling_marian"])
    with (
        run.folder.watch("training"),
        ProcessPoolExecutor(at_once, context, initializer=_begin, initargs=(threads,)) as pool,
    ):
        pending = [pool.submit(_work, work, quiet, part) for part in parts]
        try:
            for each in pending:
                each.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a process of the run was killed, for want of memory as a rule; the same command with --jobs 1 goes "
                "on, one after the other"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an error, those that run are waited for


def _begin(threads: int) -> None:
    import torch
    from accelerate import PartialState

    end_with_parent()
    PartialState(cpu=True)
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the first process has the sentence to say


def _work(work: Callable[[Experiment[C], P], None], run: Experiment[C], part: P) -> None:
    try:
        work(run, part)
    finally:
        run.folder.close()
