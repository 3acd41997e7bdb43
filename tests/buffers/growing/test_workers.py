from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from buffers import ByRank, GrowingBatchBuffer, InThreads, OnRay, Workers, grow
from buffers.growing.plan import Sampler
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import contents

SETTINGS: dict[str, Any] = {
    "grow_step": 1,
    "candidates": 5,
    "temperature": 0.8,
    "seed": 0,
    "sources_per_shard": 4,
    "progress": False,
}


@pytest.fixture
def whole(sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path) -> dict[str, bytes]:
    """What one thread makes: six shards."""
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path / "whole"), workers=InThreads(1), **SETTINGS)
    return contents(tmp_path / "whole")


class Together:
    """One of several processes, played by a thread."""

    def __init__(self, index: int, barrier: threading.Barrier) -> None:
        self.process_index, self.num_processes, self.barrier = index, barrier.parties, barrier

    def wait_for_everyone(self) -> None:
        self.barrier.wait(timeout=60)


@pytest.mark.parametrize("threads", [None, 2, 4])
def test_any_number_of_threads_gives_the_same_bytes(
    threads: int | None,
    whole: dict[str, bytes],
    sampler: Sampler,
    fake_scorer: Scorer,
    tiny_task: Task,
    tmp_path: Path,
) -> None:
    before = torch.get_num_threads()
    report = grow(
        sampler,
        fake_scorer,
        tiny_task,
        GrowingBatchBuffer(tmp_path / "threads"),
        workers=None if threads is None else InThreads(threads),
        **SETTINGS,
    )
    assert contents(tmp_path / "threads") == whole
    assert report.shards_written == 6
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_any_number_of_ranks_gives_the_same_bytes_and_the_same_report(
    ranks: int, whole: dict[str, bytes], sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    barrier = threading.Barrier(ranks)

    def one(rank: int) -> tuple[int, float]:
        workers = ByRank(Together(rank, barrier), threads=1)
        buffer = GrowingBatchBuffer(tmp_path / "ranks")
        report = grow(sampler, fake_scorer, tiny_task, buffer, workers=workers, **SETTINGS)
        return report.trajectories, report.mean_reward_samples

    with ThreadPoolExecutor(ranks) as pool:
        reports = set(pool.map(one, range(ranks)))
    assert contents(tmp_path / "ranks") == whole
    assert len(reports) == 1


def test_a_failing_shard_does_not_lose_the_others(
    whole: dict[str, bytes], sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    sources = tiny_task.tokenizer.encode(tiny_task.split("train").sources)

    class Broken:
        fingerprint, engine = sampler.fingerprint, sampler.engine
        log_probs = sampler.log_probs

        def sample(self, given: Sequence[Sequence[int]], *args: Any) -> Any:
            if given[0] == sources[8]:
                raise FloatingPointError("the policy's logits are not finite")
            return sampler.sample(given, *args)

    buffer = GrowingBatchBuffer(tmp_path / "broken")
    with pytest.raises(FloatingPointError, match="logits are not finite"):
        grow(Broken(), fake_scorer, tiny_task, buffer, workers=InThreads(2), **SETTINGS)
    found = contents(tmp_path / "broken")
    assert {"g001-s00000.h5", "g001-s00001.h5"} <= set(found)
    assert "g001-s00002.h5" not in found
    grow(sampler, fake_scorer, tiny_task, buffer, workers=InThreads(2), **SETTINGS)
    assert contents(tmp_path / "broken") == whole


def test_few_shards_wait_to_be_published(
    whole: dict[str, bytes],
    sampler: Sampler,
    fake_scorer: Scorer,
    tiny_task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    waiting: list[int] = []

    class Counting(ThreadPoolExecutor):
        def submit(self, make: Any, unit: int, /) -> Any:  # type: ignore[override]
            begun.append(unit)
            waiting.append(len(begun) - len(list((tmp_path / "slow").glob("*.h5"))))
            return super().submit(make, unit)

    monkeypatch.setattr("buffers.growing.workers.ThreadPoolExecutor", Counting)
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path / "slow"), workers=InThreads(1), **SETTINGS)
    assert begun == [0, 1, 2, 3, 4, 5]
    assert max(waiting) == 2
    assert contents(tmp_path / "slow") == whole


def test_bad_numbers_of_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="threads is 0; give at least 1"):
        InThreads(0)


class Deadly:
    """A sampler that kills its own process, once, in the middle of a shard."""

    def __init__(self, sampler: Any, marker: Path) -> None:
        self.sampler, self.marker = sampler, marker
        self.fingerprint, self.engine = sampler.fingerprint, sampler.engine

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Any:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.sampler.sample(sources, num_candidates, temperature, seed)

    def log_probs(self, *args: Any) -> list[NDArray[np.float32]]:
        found: list[NDArray[np.float32]] = self.sampler.log_probs(*args)
        return found


@pytest.mark.filterwarnings("ignore")  # Ray's own, and those of sockets that it leaves open
def test_ray_makes_the_same_bytes_though_a_worker_is_killed(
    whole: dict[str, bytes], sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray", reason="Ray has no wheel for this Python")
    for instance in (sampler, fake_scorer, tiny_task, self_module := sys.modules[__name__]):
        module = instance if instance is self_module else sys.modules[type(instance).__module__]
        ray.cloudpickle.register_pickle_by_value(module)
    workers: Workers = OnRay()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        deadly = Deadly(sampler, tmp_path / "killed")
        buffer = GrowingBatchBuffer(tmp_path / "ray")
        report = grow(deadly, fake_scorer, tiny_task, buffer, workers=workers, **SETTINGS)
    finally:
        ray.shutdown()
        with warnings.catch_warnings():  # Ray kills its processes and does not wait for all of them
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    assert (tmp_path / "killed").exists()
    assert contents(tmp_path / "ray") == whole
    assert report.shards_written == 6


def test_without_ray_the_extra_is_named(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'OnRay needs ray, .* pip install "\.\[ray\]"'):
        grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(tmp_path), workers=OnRay(), **SETTINGS)
