"""Rows of sources: which are drawn from, and their texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from buffers import drawable_rows, source_texts
from seq2seq_env.tasks.task import Split, Task
from tests.conftest import MonolingualTask


def test_source_only_rows_follow_those_of_the_pairs(monolingual_task: Task) -> None:
    assert drawable_rows(monolingual_task, "train") == range(18)
    assert drawable_rows(monolingual_task, "source-only") == range(18, 24)
    assert drawable_rows(monolingual_task, "both") == range(24)
    every = monolingual_task.split("train").sources + monolingual_task.split("source-only").sources
    rows = np.array([23, 0, 18, 17, 0])
    assert source_texts(monolingual_task, rows) == [every[row] for row in rows]
    assert source_texts(monolingual_task, np.zeros(0, dtype=np.int64)) == []


def test_a_split_is_made_where_it_is_asked_for() -> None:
    class Lazy(MonolingualTask):
        asked: list[str] = []  # noqa: RUF012 -- of the one instance

        def size(self, split: str) -> int:
            return len(super().split(split))

        def split(self, name: str) -> Split:
            self.asked.append(name)
            return super().split(name)

    task = Lazy()
    source_texts(task, np.array([0, 17]))
    assert task.asked == ["train"]
    source_texts(task, np.array([18]))
    assert task.asked == ["train", "source-only"]


@pytest.mark.parametrize("grow_from", ["source-only", "both"])
def test_a_task_without_such_sentences_has_none_to_draw(tiny_task: Task, grow_from: Any) -> None:
    assert drawable_rows(tiny_task, "train") == range(24)
    with pytest.raises(ValueError, match=f"grow_from is '{grow_from}', and task 'tiny' has no sentences without refer"):
        drawable_rows(tiny_task, grow_from)


def test_unknown_rows_and_choices_are_refused(tiny_task: Task, monolingual_task: Task) -> None:
    choice: Any = "web"
    with pytest.raises(ValueError, match="no grow_from 'web'; choose one of train, source-only, both"):
        drawable_rows(tiny_task, choice)
    for task, row in ((tiny_task, 24), (monolingual_task, 24), (monolingual_task, -1)):
        with pytest.raises(ValueError, match=f"source row {row} is not among the 24 sources of task '{task.name}'"):
            source_texts(task, np.array([0, row]))
