"""submitit: the tasks of an array make the shards of a Grow step, and what a preempted one leaves, another makes.

Its local executor plays SLURM; `.ci/libraries cluster` installs it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

submitit = pytest.importorskip("submitit", reason="submitit is not installed, see .ci/libraries")

from agents import Seq2SeqPolicy  # noqa: E402
from seq2seq_env.tasks import load_task  # noqa: E402
from tests.buffers.conftest import contents  # noqa: E402
from tests.tiny_models import tiny_policy_config  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # it leaves the processes of its jobs to the garbage collector

ROOT = Path(__file__).parents[2]


def grow(arguments: list[str], share: str) -> int:
    """A worker's share, in a process of its own; its exit code."""
    command = [sys.executable, "-m", "experiments.cli", "grow", *arguments, "--shards", share]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def test_an_array_of_which_a_task_is_preempted_makes_the_same_bytes(tmp_path: Path) -> None:
    task = load_task("phrasebook-de-en", train_size=64, source_only_size=0)
    Seq2SeqPolicy.from_config(
        task.tokenizer, tiny_policy_config(max_source_length=48, max_target_length=48), seed=0
    ).save(tmp_path / "policy")
    options = [
        "--policy", str(tmp_path / "policy"), "--task-options", "train_size", "64", "source_only_size", "0",
        "--candidates", "2", "--sources-per-shard", "8", "--threads", "1", "--device", "cpu", "--no-progress",
    ]  # fmt: skip
    assert grow([*options, "--out", str(tmp_path / "whole")], "0/1") == 0

    executor = submitit.AutoExecutor(tmp_path / "logs", cluster="local")
    executor.update_parameters(timeout_min=10)
    arguments = [*options, "--out", str(tmp_path / "shares")]
    jobs = executor.map_array(grow, [arguments] * 3, ["0/3", "1/3", "2/3"])
    time.sleep(1)
    jobs[1].cancel()
    assert [jobs[index].result() for index in (0, 2)] == [0, 0]
    made = contents(tmp_path / "shares")
    assert not {f"g001-s{shard:05d}.h5" for shard in (0, 2, 3, 5, 6)} - made.keys()
    assert executor.submit(grow, arguments, "1/3").result() == 0
    assert contents(tmp_path / "shares") == contents(tmp_path / "whole")
