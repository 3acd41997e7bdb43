"""Tasks: what is translated."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from seq2seq_env.tasks.task import Oracle, Split, Task
from seq2seq_env.tasks.tokenizer import Tokenizer

__all__ = ["TASKS", "Oracle", "Split", "Task", "Tokenizer", "load_task"]

TASKS: dict[str, str] = {
    "phrasebook-de-en": "seq2seq_env.tasks.phrasebook:PhrasebookTask",
}
"""Name of each task and where its class is, imported when asked for."""


def load_task(name: str, *, seed: int = 0, **options: Any) -> Task:
    """The task called ``name``.

    Args:
        name: A key of ``TASKS``.
        seed: Of the task's own randomness.
        **options: The task's own options, such as ``noise`` and ``train_size`` of the phrasebook.

    Raises:
        ValueError: If there is no such task, or it refuses an option's value.
        TypeError: If the task has no such option.
    """
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; choose one of {', '.join(sorted(TASKS))}")
    module, _, attribute = TASKS[name].partition(":")
    make: type[Task] = getattr(import_module(module), attribute)
    known = [option for option in signature(make).parameters if option != "seed"]
    for option in options:
        if option not in known:
            raise TypeError(f"task {name!r} has no option {option!r}; it has {', '.join(known)}")
    task: Task = make(seed=seed, **options)  # type: ignore[call-arg]  # each task has its own options
    return task
