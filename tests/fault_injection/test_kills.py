"""Writers that are killed, disturbed or not alone."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, InThreads, Provenance, Shard, Trajectories, grow, write_shard
from buffers.admin.maintenance import sweep
from buffers.growing.plan import Sampler
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.phrasebook import PhrasebookTask
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import contents
from tests.fault_injection.crash_campaign import SOURCES, Config, campaign, works
from tests.full_disk import full_disk

FORK = multiprocessing.get_context("fork")
NAME = "g001-s00000.h5"
SETTINGS: dict[str, Any] = {
    "grow_step": 1,
    "candidates": 5,
    "temperature": 0.8,
    "seed": 0,
    "sources_per_shard": 10,
    "progress": False,
}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("name", ["grow", "rescore", "compact"])
def test_killed_work_ends_with_the_same_bytes(name: str) -> None:
    task = PhrasebookTask(0, train_size=SOURCES, noise=0.0)
    tally = campaign(works(task)[name], Config(runs=1, kills=3), name)
    assert (tally.runs, tally.identical, tally.problems) == (1, 1, [])
    assert tally.kills > 0


def test_what_a_killed_writer_left_goes_when_the_file_is_made_again(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    mine, other = tmp_path / f".{NAME}.1234.partial", tmp_path / ".g001-s00001.h5.1234.partial"
    for file in (mine, other):
        file.write_text("half of a sh")
    write_shard(tmp_path / NAME, trajectories, provenance)
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / NAME]
    assert sweep(tmp_path) == [other]
    assert sorted(tmp_path.iterdir()) == [tmp_path / NAME]


def test_what_a_living_writer_is_at_stays(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second writer of the same shard, and a repair, come by while the first one is at its last step."""
    original, path = os.replace, tmp_path / NAME
    seen: list[list[str]] = []

    def meanwhile(source: Path, target: Path) -> None:
        if not seen:
            seen.append([])
            write_shard(path, trajectories, provenance)
            assert sweep(tmp_path) == []
            seen[0] = [file.suffix for file in sorted(tmp_path.iterdir())]
        original(source, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    write_shard(path, trajectories, provenance)
    assert seen == [[".partial", ".h5"]]
    assert list(tmp_path.iterdir()) == [path]
    Shard.open(path).verify()


def test_a_file_swept_up_before_it_was_locked_is_begun_again(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fcntl.flock
    swept: list[Path] = []

    def late(file: Any, operation: int) -> None:
        if not swept:
            swept.append(Path(file.name))
            Path(file.name).unlink()
        original(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    write_shard(tmp_path / NAME, trajectories, provenance)
    assert len(swept) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / NAME]


def test_a_file_system_without_locks_is_written_to_and_never_swept(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    left = tmp_path / f".{NAME}.1234.partial"
    left.write_text("half of a sh")
    monkeypatch.setattr(fcntl, "flock", refuse)
    write_shard(tmp_path / NAME, trajectories, provenance)
    assert sweep(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == [left, tmp_path / NAME]


def test_a_write_that_the_system_stops_leaves_nothing(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    with full_disk(4_096), pytest.raises(OSError, match=r"shard not written \(File too large\).*s00000\.h5"):
        write_shard(tmp_path / NAME, trajectories, provenance)
    assert list(tmp_path.iterdir()) == []
    write_shard(tmp_path / NAME, trajectories, provenance)
    Shard.open(tmp_path / NAME).verify()


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=r"Permission denied.*make the folder writable.*s00000\.h5") as raised:
        write_shard(tmp_path / NAME, trajectories, provenance)
    assert raised.value.errno == errno.EACCES


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing stops root")
def test_a_read_only_folder_is_named(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match=r"make the folder writable.*s00000\.h5"):
        write_shard(folder / NAME, trajectories, provenance)


class Disturbed:
    """A scorer during whose second call the buffer's folder is deleted, as soon as it has a shard."""

    def __init__(self, scorer: Scorer, buffer: GrowingBatchBuffer) -> None:
        self.scorer, self.buffer, self.fingerprint = scorer, buffer, scorer.fingerprint
        self.calls = 0

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if self.calls == 2:
            while not self.buffer.shards:
                time.sleep(0.01)
            shutil.rmtree(self.buffer.path)
        return self.scorer.score(sources, hypotheses)


def test_a_folder_that_vanishes_is_an_error_and_grown_again(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "vanishing"
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(whole), **SETTINGS)
    buffer = GrowingBatchBuffer(folder)
    with pytest.raises(OSError, match=r"g001-s00000\.h5"):
        grow(sampler, Disturbed(fake_scorer, buffer), tiny_task, buffer, **SETTINGS, workers=InThreads(1))
    report = grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(folder), **SETTINGS)
    assert (report.shards_written, report.shards_skipped) == (1, 2)
    assert contents(folder) == contents(whole)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_processes_that_write_the_same_shards_at_once_agree(
    sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    grow(sampler, fake_scorer, tiny_task, GrowingBatchBuffer(whole), **SETTINGS)
    together = FORK.Barrier(3)

    def work() -> None:
        buffer = GrowingBatchBuffer(shared)
        together.wait()
        grow(sampler, fake_scorer, tiny_task, buffer, **SETTINGS)

    writers = [FORK.Process(target=work) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert contents(shared) == contents(whole)
