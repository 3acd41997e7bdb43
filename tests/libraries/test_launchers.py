"""1, 4 and 16 workers by every launcher, a third of which is killed: the bytes of one that is not.

`.ci/libraries cluster` installs Ray and submitit, whose local executor plays SLURM.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

submitit = pytest.importorskip("submitit", reason="submitit is not installed, see .ci/libraries")
ray = pytest.importorskip("ray", reason="Ray is not installed, see .ci/libraries")

from buffers import GrowingBatchBuffer, InThreads, OnRay, grow  # noqa: E402
from tests.buffers.conftest import FakeSampler, contents  # noqa: E402
from tests.conftest import OverlapScorer, TinyTask  # noqa: E402
from tests.libraries import mortal_workers  # noqa: E402
from tests.libraries.mortal_workers import doomed, main, work  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # they leave processes and sockets to the garbage collector

ROOT = Path(__file__).parents[2]
WORKER = str(mortal_workers.__file__)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The shards as one process makes them."""
    folder, task = tmp_path_factory.mktemp("whole") / "buffer", TinyTask()
    grow(
        FakeSampler(task), OverlapScorer(task), task, GrowingBatchBuffer(folder, task=task), grow_step=1, candidates=3,
        temperature=0.8, seed=5, sources_per_shard=1, workers=InThreads(1), progress=False,
    )  # fmt: skip
    found = shards(folder)
    assert len(found) > 16
    return found


@pytest.fixture(params=[1, 4, 16])
def workers(request: pytest.FixtureRequest) -> int:
    """How many there are."""
    count: int = request.param
    return count


def shards(folder: Path) -> dict[str, bytes]:
    """What is published; what the killed were writing has a name that begins with a dot."""
    return {name: content for name, content in contents(folder).items() if name[0] != "." and name.endswith(".h5")}


def died(folder: Path) -> list[str]:
    """Who was killed."""
    return sorted(path.name for path in folder.with_name(f"{folder.name}-died").iterdir())


def start(target: Any, *arguments: Any) -> multiprocessing.Process:
    """A process of its own that need not import everything anew."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "tests.libraries.mortal_workers"])
    process: multiprocessing.Process = context.Process(target=target, args=arguments)
    process.start()
    return process


def exit_code(process: multiprocessing.Process) -> int | None:
    """Of a process that has ended, or ends in time."""
    process.join(600)
    return process.exitcode


def test_processes_that_know_nothing_of_each_other(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    folder = tmp_path / "buffer"

    def killed(started: Iterable[int]) -> list[int]:
        running = {worker: start(main, folder, f"{worker}/{workers}") for worker in started}
        codes = {worker: exit_code(process) for worker, process in running.items()}
        assert {*codes.values()} <= {0, -signal.SIGKILL}
        return [worker for worker, code in codes.items() if code]

    assert killed(range(workers)) == [*doomed(workers)]
    assert len(shards(folder)) < len(whole)
    assert killed(doomed(workers)) == []
    assert shards(folder) == whole


def test_threads_of_a_process_that_is_killed(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    folder = tmp_path / "buffer"
    codes: list[int | None] = [exit_code(start(work, folder, InThreads(workers)))]
    while codes[-1] and len(codes) < len(whole):
        codes.append(exit_code(start(work, folder, InThreads(workers))))
    assert {*codes[:-1]} == {-signal.SIGKILL}
    assert codes[-1] == 0
    assert shards(folder) == whole


def test_torchrun_starts_all_ranks_again(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    folder = tmp_path / "buffer"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(workers)]
    command += ["--max-restarts", "3", WORKER, str(folder), "rank"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert died(folder) == sorted(map(str, doomed(workers)))
    assert shards(folder) == whole


def test_ray_runs_tasks_again(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    folder = tmp_path / "buffer"
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        work(folder, OnRay())
    finally:
        ray.shutdown()
    assert len(died(folder)) > len(whole) // 5
    assert shards(folder) == whole


def test_an_array_of_submitit(tmp_path: Path, whole: dict[str, bytes], workers: int) -> None:
    folder = tmp_path / "buffer"
    executor = submitit.AutoExecutor(tmp_path / "logs", cluster="local")
    executor.update_parameters(timeout_min=20)

    def failed(started: Sequence[int]) -> list[int]:
        shares = [f"{worker}/{workers}" for worker in started]
        jobs = executor.map_array(main, [folder] * len(shares), shares)
        return [worker for worker, job in zip(started, jobs, strict=True) if job.exception() is not None]

    assert failed(range(workers)) == [*doomed(workers)]
    assert failed(doomed(workers)) == []
    assert shards(folder) == whole
