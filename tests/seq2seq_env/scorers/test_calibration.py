"""The texts that a scorer is calibrated on."""

from __future__ import annotations

import pytest

from seq2seq_env.scorers.calibration import task_pairs
from seq2seq_env.tasks import Task


def test_half_of_the_hypotheses_are_references_of_other_sources(monolingual_task: Task) -> None:
    train = monolingual_task.split("train")
    known = dict(zip(train.sources, train.references, strict=True))
    sources, hypotheses = task_pairs(monolingual_task, "train", 10, seed=0)
    assert len(set(sources)) == 10
    right = [known[source] == hypothesis for source, hypothesis in zip(sources, hypotheses, strict=True)]
    assert right == [True] * 10 + [False] * 10
    assert len(task_pairs(monolingual_task, "train", 1_000, seed=0)[0]) == 2 * 18


@pytest.mark.parametrize(
    ("split", "sources", "message"),
    [
        ("train", 1, "cannot be calibrated on 1 sources; give 2 or more"),
        ("source-only", 5, "split 'source-only' has no references to calibrate on; choose one of train, validation, t"),
    ],
)
def test_what_has_no_pairs_is_refused(monolingual_task: Task, split: str, sources: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task_pairs(monolingual_task, split, sources, seed=0)
