"""Sixteen workers by every launcher, a third of which is killed: the bytes of one.

`.ci/libraries cluster` installs Ray and submitit, whose local executor plays SLURM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

submitit = pytest.importorskip("submitit", reason="submitit is not installed, see .ci/libraries")
ray = pytest.importorskip("ray", reason="Ray is not installed, see .ci/libraries")

from buffers import GrowingBatchBuffer, InThreads, OnRay, grow  # noqa: E402
from tests.buffers.conftest import FakeSampler, contents  # noqa: E402
from tests.conftest import OverlapScorer, TinyTask  # noqa: E402
from tests.libraries import sixteen_workers  # noqa: E402
from tests.libraries.sixteen_workers import DOOMED, WORKERS, main, work  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # they leave processes and sockets to the garbage collector

ROOT = Path(__file__).parents[2]
WORKER = str(sixteen_workers.__file__)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The shards as one process makes them."""
    folder, task = tmp_path_factory.mktemp("whole") / "buffer", TinyTask()
    grow(
        FakeSampler(task), OverlapScorer(task), task, GrowingBatchBuffer(folder, task=task), grow_step=1, candidates=3,
        temperature=0.8, seed=5, sources_per_shard=1, workers=InThreads(1), progress=False,
    )  # fmt: skip
    return shards(folder)


def shards(folder: Path) -> dict[str, bytes]:
    """What is published."""
    found = {name: content for name, content in contents(folder).items() if name.endswith(".h5")}
    assert len(found) > WORKERS
    return found


def died(folder: Path) -> list[str]:
    """Who was killed."""
    return sorted(path.name for path in folder.with_name(f"{folder.name}-died").iterdir())


def test_processes_that_know_nothing_of_each_other(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "buffer"

    def run(workers: Any) -> list[int]:
        running = [
            (worker, subprocess.Popen([sys.executable, WORKER, folder, f"{worker}/{WORKERS}"], env=ENVIRONMENT))
            for worker in workers
        ]
        return [worker for worker, process in running if process.wait(timeout=600) == -signal.SIGKILL]

    assert run(range(WORKERS)) == [*DOOMED]
    assert len(shards(folder)) < len(whole)
    assert run(DOOMED) == []
    assert shards(folder) == whole


def test_threads_of_a_process_that_is_killed(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "buffer"
    code = (
        "import sys; from pathlib import Path; from buffers import InThreads; "
        "from tests.libraries.sixteen_workers import WORKERS, work; "
        "work(Path(sys.argv[1]), InThreads(WORKERS), None)"
    )
    codes = []
    while not codes or codes[-1]:
        command = [sys.executable, "-c", code, str(folder)]
        codes.append(subprocess.run(command, env=ENVIRONMENT, check=False, timeout=600).returncode)
        assert len(codes) < WORKERS
    assert codes[0] == -signal.SIGKILL
    assert shards(folder) == whole


def test_torchrun_starts_all_ranks_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "buffer"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(WORKERS)]
    command += ["--max-restarts", "3", WORKER, str(folder), "rank"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert died(folder) == sorted(map(str, DOOMED))
    assert shards(folder) == whole


def test_ray_runs_tasks_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "buffer"
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        work(folder, OnRay(), None)
    finally:
        ray.shutdown()
    assert len(died(folder)) > len(whole) // 5
    assert shards(folder) == whole


def test_an_array_of_submitit(tmp_path: Path, whole: dict[str, bytes]) -> None:
    folder = tmp_path / "buffer"
    executor = submitit.AutoExecutor(tmp_path / "logs", cluster="local")
    executor.update_parameters(timeout_min=20)

    def run(workers: Any) -> list[int]:
        shares = [f"{worker}/{WORKERS}" for worker in workers]
        jobs = executor.map_array(main, [folder] * len(shares), shares)
        return [worker for worker, job in zip(workers, jobs, strict=True) if job.exception() is not None]

    assert run(range(WORKERS)) == [*DOOMED]
    assert run(DOOMED) == []
    assert shards(folder) == whole
