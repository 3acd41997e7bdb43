"""MDP definition: what the scalar and the vector environment share of configuration, spaces, masks and rewards.

Shape letters: N episodes, n of them, S longest source, T length limit, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq2seq_env.constraint import Constraint, known_tokens
from seq2seq_env.mdp.arguments import check_types
from seq2seq_env.mdp.sources import LongSource, Sources
from seq2seq_env.mdp.spaces import TokenSpace
from seq2seq_env.scorers import Scorer, checked_scores
from seq2seq_env.scorers.sharing import shared_scorer
from seq2seq_env.tasks import Task, load_task

Observation = dict[str, NDArray[np.int64]]

Potential = Callable[[Observation], NDArray[np.float32]]
"""Of n observations, stacked, the potential of each: float32 [n]."""

RENDER_MODES = ("human", "ansi", "rgb_array")

OPTIONS = ("source_index", "source", "target_prefix")

UNSCORED = -1.0
"""``info["score"]`` before the end and after a masked token. Not NaN, which equals nothing: Gymnasium's ``check_env``
would take two equal steps for different ones."""

NOT_MASKED = -1
"""``info["masked_action"]`` until a masked token is chosen."""


class MDPDefinition:
    """The configured decision process; see :class:`seq2seq_env.env.Seq2SeqTranslateEnv` for the arguments.

    Raises:
        ValueError: If an argument is out of range or names something unknown.
        TypeError: If an argument has the wrong type.
    """

    def __init__(
        self,
        task: str | Task,
        scorer: str | Path | Scorer | None,
        *,
        split: str,
        task_seed: int,
        max_target_length: int | None,
        constraint: Constraint | None,
        long_source: LongSource,
        limit_terminates: bool,
        masked_action_penalty: float | None,
        info_scorers: Mapping[str, str | Path | Scorer] | None,
        potential: Potential | None,
    ) -> None:
        check_types(
            {
                "task": task, "scorer": scorer, "max_target_length": max_target_length, "constraint": constraint,
                "limit_terminates": limit_terminates, "masked_action_penalty": masked_action_penalty,
                "info_scorers": info_scorers, "potential": potential,
            }
        )  # fmt: skip
        if max_target_length is not None and max_target_length < 1:
            raise ValueError(f"max_target_length is {max_target_length}; an episode needs at least 1 token")
        if masked_action_penalty is not None and not 0 <= masked_action_penalty < np.inf:
            raise ValueError(
                f"masked_action_penalty is {masked_action_penalty}; give what a masked token costs, 0 or more, or "
                "None to raise"
            )
        if not isinstance(task, str) and task_seed != 0:
            raise ValueError(f"task_seed {task_seed} has no effect on a Task already made; pass the task's name")
        self.task = load_task(task, seed=task_seed) if isinstance(task, str) else task
        self.tokenizer = self.task.tokenizer
        self.sources = Sources(self.task, split, long_source)
        self.scorer = scorer_of(self.task, scorer)
        self.info_scorers = {name: _loaded(self.task, each) for name, each in (info_scorers or {}).items()}
        self.potential = potential
        self.max_target_length = max_target_length or self.task.max_target_length
        self.limit_terminates = limit_terminates
        self.masked_action_penalty = masked_action_penalty
        self.constraint = constraint or Constraint()
        self.constraint.check(self.tokenizer, self.max_target_length)
        self.allowed = self.constraint.allowed(self.tokenizer)
        self.action_mask = self.allowed.astype(np.int8)
        self.action_space = TokenSpace(self.allowed)
        self.observation_space = observation_space(
            self.tokenizer.vocab_size, self.task.max_source_length, self.max_target_length
        )

    def checked_options(self, options: dict[str, Any] | None, *more: str) -> dict[str, Any]:
        """The options of a ``reset``.

        Raises:
            ValueError: If one is unknown.
        """
        options = {} if options is None else options
        known = (*OPTIONS, *more)
        for option in options:
            if option not in known:
                raise ValueError(f"reset does not know option {option!r}; choose one of {', '.join(known)}")
        return options

    def forced_prefix(self, options: Mapping[str, Any]) -> tuple[int, ...]:
        """The tokens that an episode must begin with.

        Raises:
            TypeError: If option "target_prefix" is no str.
            ValueError: If it is too long, or the tokenizer does not know all of it.
        """
        if "target_prefix" not in options:
            return self.constraint.prefix
        text = options["target_prefix"]
        if not isinstance(text, str):
            raise TypeError(f"option 'target_prefix' is {text!r}; give the beginning of the translation as a str")
        prefix = known_tokens(self.tokenizer, text)
        self.constraint.starting(prefix).check(self.tokenizer, self.max_target_length)
        return prefix

    def ratings(
        self, sources: Sequence[str], hypotheses: Sequence[str]
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        """Scores [n] of ended episodes, and those of every other scorer by name, each scorer asked once.

        Raises:
            ValueError: If a scorer gives something other than n numbers in [0, 1].
        """
        others = {name: checked_scores(scorer, sources, hypotheses) for name, scorer in self.info_scorers.items()}
        return checked_scores(self.scorer, sources, hypotheses), others

    def potentials(self, observation: Observation) -> NDArray[np.float64]:
        """``Phi(s)`` of n stacked observations, float64 [n].

        Raises:
            ValueError: If the potential gives something other than n finite numbers.
        """
        assert self.potential is not None
        potentials = np.asarray(self.potential(observation), dtype=np.float64)
        size = len(observation["source"])
        if potentials.shape != (size,) or not np.isfinite(potentials).all():
            raise ValueError(
                f"the potential gave {potentials!r} of shape {potentials.shape} for {size} states; return [n] finite "
                "numbers"
            )
        return potentials


def scorer_of(task: Task, scorer: str | Path | Scorer | None) -> Scorer:
    """The scorer that is given or named, shared by all of a process that name it; None takes the task's own.

    Raises:
        ValueError: If there is none of that name, or the task has none of its own.
    """
    if scorer is None:
        if task.default_scorer is None:
            raise ValueError(f"task {task.name!r} has no default scorer; pass scorer=")
        scorer = task.default_scorer
    return _loaded(task, scorer)


def _loaded(task: Task, scorer: str | Path | Scorer) -> Scorer:
    return shared_scorer(scorer, task) if isinstance(scorer, (str, Path)) else scorer


def observation_space(vocab_size: int, max_source: int, max_target: int) -> spaces.Dict:
    """What the environment shows of a vocabulary, a longest source and a length limit."""
    return spaces.Dict(
        {
            "source": spaces.Box(0, vocab_size - 1, shape=(max_source,), dtype=np.int64),
            "source_length": spaces.Box(1, max_source, shape=(1,), dtype=np.int64),
            "prefix": spaces.Box(0, vocab_size - 1, shape=(max_target,), dtype=np.int64),
            "prefix_length": spaces.Box(0, max_target, shape=(1,), dtype=np.int64),
        }
    )


def checked_render_mode(render_mode: str | None) -> str | None:
    """A render mode.

    Raises:
        TypeError: If it is unknown; after this error Stable-Baselines3 goes on without one.
    """
    if render_mode not in (None, *RENDER_MODES):
        raise TypeError(f"there is no render_mode {render_mode!r}; choose 'human', 'ansi', 'rgb_array' or None")
    return render_mode
