"""Any scorer as a reward function of TRL: prompts and completions to a list of rewards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from seq2seq_env.messages import PromptTemplate, message_text, prompt_text
from seq2seq_env.scorers import Scorer, checked_scores, load_scorer
from seq2seq_env.tasks import Task


class RewardFunction(Protocol):
    """What GRPO and its like call with a batch."""

    __name__: str
    """By which a trainer logs the rewards."""

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """A reward for each completion.

        Args:
            prompts: Texts, or lists of messages.
            completions: Likewise.
            **columns: The data set's others, of which ``source`` is taken, a source for each completion; without it
                the sources are read from the prompts.
        """


def reward_function(
    scorer: str | Path | Scorer,
    *,
    task: Task | None = None,
    prompt_template: str = "{source}",
    name: str | None = None,
) -> RewardFunction:
    """A scorer as a reward function, of TRL's ``GRPOTrainer(reward_funcs=...)`` and what calls functions like it.

    Args:
        scorer: A ``Scorer``, or a name or folder for ``load_scorer``.
        task: What a scorer made of others may need.
        prompt_template: What a prompt is made of, where the data set has no column ``source``.
        name: By which rewards are logged; None takes the scorer's.

    Raises:
        ValueError: If there is no such scorer, or the template does not hold the source once.
    """
    template = PromptTemplate(prompt_template)
    loaded = load_scorer(scorer, task=task) if isinstance(scorer, str | Path) else scorer
    known_as = Path(scorer).name if isinstance(scorer, str | Path) else type(scorer).__name__

    def reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        sources = columns.get("source")
        if sources is None:
            sources = [_source(template, prompt) for prompt in prompts]
        rewards: list[float] = checked_scores(loaded, sources, [reply(each) for each in completions]).tolist()
        return rewards

    reward.__name__ = name or re.sub(r"\W+", "_", known_as)
    return reward


def reply(completion: object) -> str:
    """What an assistant said last: a completion's text, or its last message's; empty where it has no text."""
    if isinstance(completion, str):
        return completion
    messages = completion if isinstance(completion, list) else []
    said = [each.get("content") for each in messages if isinstance(each, dict) and each.get("role") == "assistant"]
    return (message_text(said[-1]) if said else None) or ""


def _source(template: PromptTemplate, prompt: object) -> str:
    text = prompt_text(prompt)
    source = template.source_of(text)
    if source is None:
        raise ValueError(
            f"the prompt {text!r} does not match the template {template.text!r}; give its prompt_template, or a column "
            "'source' in the data set"
        )
    return source
