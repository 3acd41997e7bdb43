"""Translation as an environment of OpenEnv 0.10, played in one step, and the app that serves it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app
from pydantic import Field

from seq2seq_env.adapters.message_env import MessageEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks import Task


class TranslationAction(Action):  # type: ignore[misc]
    """A whole translation."""

    text: str = Field(description="The translation")


class TranslationObservation(Observation):  # type: ignore[misc]
    """The prompt, and after the step the reward."""

    prompt: str = Field(default="", description="What to translate")
    source: str = Field(default="", description="The source in it")
    source_index: int = Field(default=-1, description="Its row, -1 for free text")


class TranslationEnvironment(Environment[TranslationAction, TranslationObservation, State]):  # type: ignore[misc]
    """An episode of one step.

    Args:
        env: Whose episodes it plays.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, env: MessageEnv) -> None:
        super().__init__()
        self._env = env
        self._state = State()
        self._shown: dict[str, Any] = {}

    def reset(self, seed: int | None = None, episode_id: str | None = None, **options: Any) -> TranslationObservation:
        """A prompt; ``options`` are those of :meth:`MessageEnv.reset`."""
        prompt, info = self._env.reset(seed=seed, options=options)
        self._state = State(episode_id=episode_id or uuid.uuid4().hex, step_count=0)
        self._shown = {"prompt": prompt, "source": info["source_text"], "source_index": info["source_index"]}
        return TranslationObservation(**self._shown)

    def step(self, action: TranslationAction, timeout_s: float | None = None, **_: Any) -> TranslationObservation:
        """The same prompt, with the reward; the episode has ended."""
        reward, _info = self._env.step(action.text)
        self._state.step_count += 1
        return TranslationObservation(**self._shown, done=True, reward=reward)

    @property
    def state(self) -> State:
        """Id of the episode, and the steps of it that were made."""
        return self._state


def app(task: str | Task = "phrasebook-de-en", scorer: str | Path | Scorer | None = None, **options: Any) -> Any:
    """The FastAPI app that serves episodes, to be run by uvicorn; its environments share one scorer.

    Args:
        task: A name for ``load_task``, or a ``Task``.
        scorer: A ``Scorer``, or a name or folder for it; None takes the task's own.
        **options: As :class:`MessageEnv` takes them.
    """
    first = MessageEnv(task, scorer, **options)
    others = {name: value for name, value in options.items() if name != "task_seed"}

    def make() -> TranslationEnvironment:
        return TranslationEnvironment(MessageEnv(first.task, first.scorer, **others))

    return create_fastapi_app(make, TranslationAction, TranslationObservation, max_concurrent_envs=64)
