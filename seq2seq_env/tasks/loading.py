"""The registry of tasks: a task from its name and options, as a command line gives them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from seq2seq_env.options import typed_options
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks.task import Task

TASKS: dict[str, str] = {
    "phrasebook-de-en": "seq2seq_env.tasks.phrasebook:PhrasebookTask",
    "arithmetic": "seq2seq_env.tasks.arithmetic:ArithmeticTask",
    "text-files": "seq2seq_env.tasks.corpora.text_files:TextFilesTask",
    "hub": "seq2seq_env.tasks.corpora.hub:HubTask",
}
"""Name of each task and where its class is, imported when asked for."""

TaskOptions = dict[str, str]
"""A task's own options, as a command line gives them."""


def load_task(name: str, **options: Any) -> Task:
    """The task called ``name``.

    Args:
        name: A key of ``TASKS``.
        **options: The task's own, such as ``noise`` and ``train_size`` of the phrasebook; every task has ``seed``, of
            its own randomness, 0 by default. Numbers may be given as text.

    Raises:
        ValueError: If there is no such task, it needs an option that is not given, or it refuses an option's value.
        TypeError: If the task has no such option.
        OSError: If the task cannot read its files.
    """
    make, known = _task_class(name), task_parameters(name)
    given = typed_options(make, options, known, f"task {name!r}")
    missing = [option for option, each in known.items() if each.default is Parameter.empty and option not in options]
    if missing:
        raise ValueError(f"task {name!r} cannot do without {', '.join(missing)}; give its options (--task-options)")
    return make(**given)


def task_parameters(name: str) -> Mapping[str, Parameter]:
    """The options that :func:`load_task` takes for a task.

    Raises:
        ValueError: If there is no such task.
    """
    return signature(_task_class(name)).parameters


def _task_class(name: str) -> type[Task]:
    check_name("task", name, sorted(TASKS))
    module, _, attribute = TASKS[name].partition(":")
    kind: type[Task] = getattr(import_module(module), attribute)
    return kind
