"""Parts of a run at the same time: what they leave, and what their errors say."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.side_by_side import side_by_side
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import GROWING, begin


@pytest.fixture
def run(tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> Experiment[Config]:
    return begin(GROWING, tmp_path / "run", tiny_task, fake_scorer)


def note(run: Experiment[Config], part: str) -> None:
    """Finish a stage that says what did it, or do what the part's name says."""
    import torch

    if part == "fail":
        raise FloatingPointError("the loss is nan")
    if part == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    rewards = run.evaluator.scorer.score(["eins"], ["one"]).tolist()
    run.folder.finish(part, [os.getpid(), torch.get_num_threads(), run.config.improve.progress, rewards])


def test_parts_have_processes_of_their_own(run: Experiment[Config]) -> None:
    side_by_side(note, run, ["a", "b"], jobs=2)
    for part in "ab":
        process, threads, progress, rewards = run.folder.result(part)
        assert process != os.getpid()
        assert (threads, progress, rewards) == (1, False, [1.0])
    assert run.folder.watch.seconds["training"] > 0


def test_one_at_a_time_is_done_here(run: Experiment[Config]) -> None:
    side_by_side(note, run, ["a", "b"], jobs=1)
    assert [run.folder.result(part)[0] for part in "ab"] == [os.getpid()] * 2
    side_by_side(note, run, [])


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [("fail", FloatingPointError, "the loss is nan"), ("die", OSError, r"was killed, for .* with --jobs 1 goes on")],
)
def test_what_goes_wrong_is_said_here(run: Experiment[Config], part: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        side_by_side(note, run, [part, "b"], jobs=2)
