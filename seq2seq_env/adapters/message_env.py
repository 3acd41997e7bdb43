"""A whole translation in one step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding

from seq2seq_env.mdp.definition import UNSCORED, scorer_of
from seq2seq_env.mdp.sources import Sources
from seq2seq_env.messages import PromptTemplate
from seq2seq_env.scorers import Scorer, checked_scores
from seq2seq_env.tasks import Task, load_task

CHOICES = ("source_index", "source")
"""Options of :meth:`MessageEnv.reset`."""


class MessageEnv:
    """The environment of trainers that write a whole translation at once: a prompt, one step, the scorer's reward.

    The same seed draws the same sources as in :class:`seq2seq_env.env.Seq2SeqTranslateEnv`, whose episode is one long
    action here. A text is scored as it stands, whatever the task's tokenizer would make of it, and however long.

    Args:
        task: A name for ``load_task``, or a ``Task``.
        scorer: A ``Scorer``, or a name or folder for it; None takes the task's own.
        split: Where sources are drawn.
        prompt_template: What a prompt is made of; ``{source}`` stands for the source.
        task_seed: From which a named task is made.

    Raises:
        ValueError: If a name is unknown, the split is empty, or the template does not hold the source once.
    """

    def __init__(
        self,
        task: str | Task = "phrasebook-de-en",
        scorer: str | Path | Scorer | None = None,
        *,
        split: str = "train",
        prompt_template: str = "{source}",
        task_seed: int = 0,
    ) -> None:
        self.task = load_task(task, seed=task_seed) if isinstance(task, str) else task
        self.scorer = scorer_of(self.task, scorer)
        self.sources = Sources(self.task, split)
        self.template = PromptTemplate(prompt_template)
        self._random: np.random.Generator | None = None
        self._info: dict[str, Any] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """A source's prompt, and what is known of the episode.

        Args:
            seed: Of the sources that are drawn from now on; None goes on.
            options: ``source_index``, a row of the split, or ``source``, any sentence; none draws a row.

        Returns:
            The prompt, and ``source_text``, ``source_index``, ``hypothesis`` (empty) and ``score`` (-1).

        Raises:
            ValueError: If an option is unknown, or the sentence is empty or too long.
            IndexError: If the row is not there.
        """
        options = options or {}
        for option in options:
            if option not in CHOICES:
                raise ValueError(f"reset does not know option {option!r}; choose one of {', '.join(CHOICES)}")
        if seed is not None or self._random is None:
            self._random = seeding.np_random(seed)[0]
        rows = self.sources.chosen(options)
        if rows is None:
            rows = self.sources.rows(self._random.integers(len(self.sources), size=1))
        source = str(rows.texts[0])
        self._info = {
            "source_text": source,
            "source_index": int(rows.source_index[0]),
            "hypothesis": "",
            "score": UNSCORED,
        }
        return self.template.fill(source), dict(self._info)

    def step(self, text: str) -> tuple[float, dict[str, Any]]:
        """Write the whole translation, which ends the episode.

        Returns:
            The reward, in [0, 1], and what :meth:`reset` gave, with ``hypothesis`` and ``score``.

        Raises:
            ResetNeeded: If no episode has begun since the last one ended.
            TypeError: If the translation is no text.
        """
        if self._info is None:
            raise ResetNeeded("the episode has ended or not begun; call reset()")
        if not isinstance(text, str):
            raise TypeError(f"the translation is a {type(text).__name__}; give a str")
        score = float(checked_scores(self.scorer, [self._info["source_text"]], [text])[0])
        info = self._info | {"hypothesis": text, "score": score}
        self._info = None
        return score, info


def prompts(
    task: str | Task = "phrasebook-de-en",
    split: str = "train",
    *,
    prompt_template: str = "{source}",
    messages: bool = False,
) -> list[dict[str, Any]]:
    """Rows of a data set of prompts: ``prompt``, ``source`` and ``source_index``.

    Args:
        task: A name for ``load_task``, or a ``Task``.
        split: Whose sources.
        prompt_template: What a prompt is made of; ``{source}`` stands for the source.
        messages: Whether a prompt is a list of one message of a user, for chat models, rather than a text.

    Raises:
        ValueError: If a name is unknown, or the template does not hold the source once.
    """
    template = PromptTemplate(prompt_template)
    sources = (load_task(task) if isinstance(task, str) else task).split(split).sources
    filled = [template.fill(source) for source in sources]
    return [
        {
            "prompt": [{"role": "user", "content": prompt}] if messages else prompt,
            "source": source,
            "source_index": index,
        }
        for index, (source, prompt) in enumerate(zip(sources, filled, strict=True))
    ]
