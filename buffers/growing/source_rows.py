"""Source rows: the numbers by which a buffer knows a task's sources, and their texts.

The train split's rows come first. Where the task has sentences without references, these follow: row
``task.size("train") + i`` is sentence ``i`` of its source-only split.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from buffers.storage.provenance import GrowFrom
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks.task import SOURCE_ONLY, Task


def drawable_rows(task: Task, grow_from: GrowFrom) -> range:
    """The rows that a Grow step draws from.

    Args:
        task: Gives the sizes of its splits.
        grow_from: "train", "source-only" or "both".

    Raises:
        ValueError: If there is no such choice, or the task has no source-only sentences to draw.
    """
    check_name("grow_from", grow_from, get_args(GrowFrom))
    paired = task.size("train")
    if grow_from == "train":
        return range(paired)
    if not task.has_source_only:
        raise ValueError(
            f"grow_from is {grow_from!r}, and task {task.name!r} has no sentences without references; give 'train', or "
            "a task that has some"
        )
    return range(paired if grow_from == SOURCE_ONLY else 0, paired + task.size(SOURCE_ONLY))


def source_texts(task: Task, rows: NDArray[np.int64]) -> list[str]:
    """The sources of ``rows`` (int64 [n]).

    Raises:
        ValueError: If the task has no such row.
    """
    paired = task.size("train")
    every = drawable_rows(task, "both" if task.has_source_only else "train")
    beyond = np.flatnonzero((rows < 0) | (rows >= len(every)))
    if beyond.size:
        raise ValueError(
            f"source row {rows[beyond[0]]} is not among the {len(every)} sources of task {task.name!r}; give the task "
            "that grew the buffer"
        )
    # A split is made where one of its rows is asked for, and not before: the other may hold millions.
    train = task.split("train").sources if np.any(rows < paired) else []
    source_only = task.split(SOURCE_ONLY).sources if np.any(rows >= paired) else []
    return [train[row] if row < paired else source_only[row - paired] for row in rows.tolist()]
