from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import buffers.growing.forecast as module
from buffers import ByRank, Forecast, GrowingBatchBuffer, GrowReport, InThreads, OnRay, Provenance, Trajectories, grow
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


class Clock:
    """Time that passes only while trajectories are made."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def made(rows: Any, distinct: bool = True) -> Trajectories:
    """Two targets of three tokens for each row."""
    count = 2 * len(rows)
    tokens = np.arange(3 * count) if distinct else np.ones(3 * count)
    return Trajectories(
        source_index=np.repeat(np.array(rows, dtype=np.int64), 2),
        offsets=np.arange(0, 3 * count + 1, 3, dtype=np.int64),
        tokens=tokens.astype(np.int32),
        log_prob=np.zeros(3 * count, dtype=np.float32),
        terminated=np.zeros(count, dtype=np.bool_),
        reward=np.zeros(count, dtype=np.float32),
        is_reference=np.zeros(count, dtype=np.bool_),
        source_rows=np.array(rows, dtype=np.int64),
        source_offsets=np.arange(len(rows) + 1, dtype=np.int64),
        source_tokens=np.ones(len(rows), dtype=np.int32),
    )


@pytest.mark.parametrize(
    ("lanes", "seconds"),
    [
        (1, 110.0),  # ten shards of 100, one after another
        (2, 55.0),  # in five rounds
        (4, 33.0),  # three rounds, the last of two shards
        (100, 11.0),  # no faster than one shard
    ],
)
def test_time_is_that_of_the_longest_lane(
    clock: Clock, provenance: Provenance, lanes: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = replace(provenance, num_sources=1000, sources_per_shard=100)
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)

    def make(rows: Any, of: Provenance) -> Trajectories:
        assert of.num_sources == len(rows)
        clock.now += 1 + 0.1 * len(rows)
        return made(rows)

    found = module.forecast(make, np.arange(1000), first, lanes)
    monkeypatch.undo()
    assert torch.get_num_threads() == threads
    assert found.seconds == pytest.approx(seconds)
    assert (found.sources, found.trajectories, found.scorer_calls) == (1000, 2000, 2000)


def test_equal_targets_of_a_source_are_scored_once(provenance: Provenance) -> None:
    first = replace(provenance, num_sources=1000, sources_per_shard=100)
    found = module.forecast(lambda rows, of: made(rows, distinct=False), np.arange(1000), first, 1)
    assert found.scorer_calls == 1000


def test_bytes_are_near_what_is_written(
    sampler: Any, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    growing: Any = import_module("buffers.growing.grow")  # its function has its name
    seen: list[Forecast] = []

    def noted(*given: Any) -> Forecast:
        seen.append(module.forecast(*given))
        return seen[-1]

    monkeypatch.setattr(module, "PROBED", (4, 12))
    monkeypatch.setattr(growing, "WORTH_IT", 20)
    monkeypatch.setattr(growing, "forecast", noted)
    buffer = GrowingBatchBuffer(tmp_path)

    def growing_once() -> GrowReport:
        return grow(
            sampler, fake_scorer, tiny_task, buffer, grow_step=1, candidates=4, temperature=1.0, seed=0,
            sources_per_shard=10,
        )  # fmt: skip

    report = growing_once()
    [found] = seen
    size = sum(path.stat().st_size for path in tmp_path.glob("*.h5"))
    assert found.trajectories == report.trajectories
    assert found.num_bytes == pytest.approx(size, rel=0.3)
    assert f"Grow 1: {found}" in capsys.readouterr().out
    growing_once()
    assert len(seen) == 1  # nothing is left to do


def test_a_step_that_is_over_before_a_probe_is_refused(provenance: Provenance) -> None:
    with pytest.raises(ValueError, match="there are 100 sources to go, fewer than a probe takes, 192"):
        module.forecast(lambda rows, of: made(rows), np.arange(100), provenance, 1)


def test_it_reads_as_a_plan() -> None:
    shown = str(Forecast(sources=4000, trajectories=16000, seconds=75.4, num_bytes=1_234_567, scorer_calls=9100))
    assert shown == "4,000 sources to go, 16,000 trajectories: about 0:01:15, 1.2 MB, 9,100 pairs to score"


def test_lanes_are_threads_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Processes:
        process_index, num_processes = 0, 3

        def wait_for_everyone(self) -> None: ...

    class Cluster:
        def is_initialized(self) -> bool:
            return True

        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 12.0, "GPU": 2.0}

    assert InThreads(5).lanes() == 5
    assert InThreads().lanes() == torch.get_num_threads()
    assert ByRank(Processes(), threads=2).lanes() == 6
    monkeypatch.setattr("buffers.growing.workers._ray", Cluster)
    assert OnRay(cpus=2).lanes() == 6
    assert OnRay(cpus=1, gpus=0.5).lanes() == 4
    assert OnRay(cpus=24).lanes() == 1
