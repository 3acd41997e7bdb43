"""TRL's environments: a tool by which a model hands its translation in, and the reward of that.

The interface, which TRL calls experimental, is that of ``GRPOTrainer(environment_factory=...)`` in TRL 1.16: a factory
without arguments makes an instance for each rollout; ``reset`` takes the columns of the data set's row, and text that
it returns is appended to the user's message; every other public method is a tool; ``get_reward`` gives the reward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq_env.adapters.message_env import MessageEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task


class TranslationTool:
    """One source, and the tool :meth:`submit`; what is handed in last counts.

    Args:
        task: A name for ``load_task``, or a ``Task``.
        scorer: A ``Scorer``, or a name or folder for it; None takes the task's own.
        **options: As :class:`MessageEnv` takes them.
    """

    def __init__(
        self, task: str | Task = "phrasebook-de-en", scorer: str | Path | Scorer | None = None, **options: Any
    ) -> None:
        self._env = MessageEnv(task, scorer, **options)
        self._source = ""
        self._reward = 0.0

    def reset(self, source: str | None = None, **_columns: Any) -> str | None:
        """Begin a rollout.

        Args:
            source: The row's, whose prompt shows it already; None draws one.

        Returns:
            The prompt of the source that was drawn, to be appended to the row's; None where the row has one.
        """
        self._reward = 0.0
        prompt, info = self._env.reset(options=None if source is None else {"source": source})
        self._source = info["source_text"]
        return prompt if source is None else None

    def submit(self, translation: str) -> str:
        """Hand in the translation of the whole text.

        Args:
            translation: The translation.

        Returns:
            That it was received.
        """
        self._env.reset(options={"source": self._source})
        self._reward, _ = self._env.step(translation)
        return "received"

    def get_reward(self) -> float:
        """The scorer's value of what was handed in, in [0, 1]; 0 where nothing was."""
        return self._reward


def environment_factory(
    task: str | Task = "phrasebook-de-en", scorer: str | Path | Scorer | None = None, **options: Any
) -> Callable[[], TranslationTool]:
    """What ``GRPOTrainer(environment_factory=...)`` takes; all its environments share one scorer.

    Args:
        task: A name for ``load_task``, or a ``Task``.
        scorer: A ``Scorer``, or a name or folder for it; None takes the task's own.
        **options: As :class:`MessageEnv` takes them.
    """
    first = MessageEnv(task, scorer, **options)  # so that a mistake is told here, and nothing is loaded twice
    return partial(TranslationTool, first.task, first.scorer, **{k: v for k, v in options.items() if k != "task_seed"})
