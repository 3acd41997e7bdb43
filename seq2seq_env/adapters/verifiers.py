"""Translation as a taskset of verifiers 0.4: ``verifiers.v1.Taskset``, whose tasks are played in one reply.

Its command line takes a taskset from a package of that name, whose module has one line::

    from seq2seq_env.adapters.verifiers import TranslationTaskset
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache

import verifiers.v1 as vf
from pydantic import Field

from seq2seq_env.messages import PromptTemplate
from seq2seq_env.scorers import checked_scores
from seq2seq_env.scorers.sharing import shared_scorer
from seq2seq_env.tasks import Task, load_task

__all__ = ["TranslationTaskset"]


class TranslationData(vf.TaskData):  # type: ignore[misc]
    """A source, and its prompt."""

    source: str


class TranslationTaskConfig(vf.TaskConfig):  # type: ignore[misc]
    """What a translation is worth."""

    translation_task: str = "phrasebook-de-en"
    """A name for ``load_task``."""
    task_options: dict[str, str] = Field(default_factory=dict)
    """The task's own options."""
    scorer: str = "phrasebook-qe"
    """Name or folder of the scorer."""

    def loaded(self) -> Task:
        """The task, which all rows of a process share."""
        return _task(self.translation_task, tuple(self.task_options.items()))


class TranslationTask(vf.Task[TranslationData, vf.State, TranslationTaskConfig]):  # type: ignore[misc]
    """One source; the reward is the scorer's value of the last reply."""

    @vf.reward  # type: ignore[untyped-decorator]
    async def quality(self, trace: vf.Trace) -> float:
        """In [0, 1]."""
        return await asyncio.to_thread(self._quality, trace.last_reply or "")

    def _quality(self, reply: str) -> float:
        task = self.config.loaded()
        scorer = shared_scorer(self.config.scorer, task)
        return float(checked_scores(scorer, [self.data.source], [reply])[0])


class TranslationConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which sources."""

    split: str = "train"
    """Of the task, whose sources are translated."""
    prompt_template: str = "{source}"
    """What a prompt is made of; ``{source}`` stands for the source."""
    task: TranslationTaskConfig = TranslationTaskConfig()
    """Task and scorer."""


class TranslationTaskset(vf.Taskset[TranslationTask, TranslationConfig]):  # type: ignore[misc]
    """The sources of a split, a task each."""

    def load(self) -> Iterator[TranslationTask]:
        """The tasks, in the order of the split."""
        config, template = self.config, PromptTemplate(self.config.prompt_template)
        for index, source in enumerate(config.task.loaded().split(config.split).sources):
            data = TranslationData(idx=index, source=source, prompt=template.fill(source))
            yield TranslationTask(data, config.task)


@cache
def _task(name: str, options: tuple[tuple[str, str], ...]) -> Task:
    return load_task(name, **dict(options))
