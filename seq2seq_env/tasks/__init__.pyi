from .loading import TASKS, TaskOptions, load_task, task_parameters
from .task import Oracle, Split, Task

__all__ = ["TASKS", "Oracle", "Split", "Task", "TaskOptions", "load_task", "task_parameters"]
