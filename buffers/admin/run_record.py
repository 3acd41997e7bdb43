"""What a run recorded of its task beside the buffer that it filled."""

from __future__ import annotations

import json

from buffers.storage.object_store import local_folder
from seq2seq_env.tasks.loading import TaskOptions, task_parameters

RECORD = "config.json"
"""File of a run's options, beside the folder of its buffer."""


def recorded_task_options(path: str, task: str) -> TaskOptions:
    """The options of a buffer's task, those that were planned for text of one's own included.

    Args:
        path: The buffer's folder or URL.
        task: Name of the task that filled it.

    Returns:
        None of them where no run with that task recorded any beside the buffer.
    """
    try:
        record = json.loads((local_folder(path).resolve().parent / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    # A file of that name may be anything's, such as a model's.
    if not isinstance(record, dict) or record.get("task") != task or not isinstance(record.get("task_options"), dict):
        return {}
    pretrained, options = record.get("pretrained"), record["task_options"]
    if pretrained is None or "tokenizer" not in task_parameters(task):
        return dict(options)
    return {"tokenizer": pretrained, **options}  # as the run had it, whose policy brought its own
