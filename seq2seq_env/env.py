"""Translation as a Markov decision process: one sentence an episode, one token a step."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from seq2seq_env import tasks
from seq2seq_env.rendering import HypothesisText, render_text
from seq2seq_env.scorers import Scorer, checked_scores, load_scorer
from seq2seq_env.tasks.task import SPLITS, Task
from seq2seq_env.token_space import TokenSpace, allowed_tokens

Observation = dict[str, NDArray[np.int64]]

FREE_TEXT = -1
"""``info["source_index"]`` of a source that was given as text."""


class Seq2SeqTranslateEnv(gym.Env[Observation, np.int64]):
    """Translates one source sentence an episode, one token a step.

    ## Description

    The state is the source and what has been written, an action appends one token, and the only reward is the
    quality of the finished translation, as a reference-free scorer sees it. This is the decision process of ReST
    (Gulcehre et al. 2023, arXiv 2308.08998, section 3).

    ```python
    >>> import gymnasium as gym
    >>> import seq2seq_env
    >>> env = gym.make("Seq2SeqTranslate-v0")
    >>> observation, info = env.reset(seed=0)
    >>> done = False
    >>> while not done:
    ...     action = env.action_space.sample(info["action_mask"])
    ...     observation, reward, terminated, truncated, info = env.step(action)
    ...     done = terminated or truncated
    >>> 0.0 <= reward <= 1.0
    True

    ```

    ## Action Space

    `Discrete(V)`: the id of the token to append, V being the size of the task's vocabulary. Padding and the decoder's
    start token can never be right and are masked; they, and ids outside the vocabulary, raise `InvalidAction`.
    `env.action_space.sample()` draws unmasked tokens only. The unknown token is allowed, decodes to nothing and so only
    wastes a step.

    ## Observation Space

    `Dict` of int64 boxes; S and T are the task's longest source and the length limit, end-of-sequence included.

    | key             | shape | values     | meaning                                                    |
    |-----------------|-------|------------|------------------------------------------------------------|
    | `source`        | [S]   | 0 .. V - 1 | tokens of the source, end-of-sequence last, then padding   |
    | `source_length` | [1]   | 1 .. S     | how many of them are not padding                           |
    | `prefix`        | [T]   | 0 .. V - 1 | tokens written so far, without a start token, then padding |
    | `prefix_length` | [1]   | 0 .. T     | how many of them are not padding                           |

    ## Rewards

    0 before the end. The last step's reward is the scorer's score of the text written, in [0, 1], whether the episode
    was terminated or truncated. The discount is 1.

    ## Starting State

    A source drawn uniformly from the split with the environment's generator, and an empty prefix. `reset` takes
    `options={"source_index": i}` for row i of the split, or `options={"source": text}` for any sentence.

    ## Episode End

    - Termination: the end-of-sequence token is written.
    - Truncation: `max_target_length` tokens are written and the last is not end-of-sequence.

    A further `step` raises `ResetNeeded`.

    ## Information

    `reset` and `step` return `source` and `hypothesis` (str, what is written so far), `source_index` (int, -1 for free
    text) and `action_mask` (int8 [V], 1 where allowed). The last step adds `score` (float). `action_masks()` gives the
    mask as bool for libraries that look for it.

    ## Arguments

    | argument            | default            | meaning                                                       |
    |---------------------|--------------------|---------------------------------------------------------------|
    | `task`              | "phrasebook-de-en" | a name for `load_task`, or a `Task`                           |
    | `scorer`            | None               | a `Scorer`, or a name or folder for it; None: the task's own   |
    | `split`             | "train"            | where sources are drawn: "train", "validation" or "test"      |
    | `task_seed`         | 0                  | seed from which a named task is made                          |
    | `max_target_length` | None               | tokens after which an episode is truncated; None: the task's  |
    | `render_mode`       | None               | "ansi": `render` returns text; "human": each step prints it   |

    ## Version History

    * v0: initial version.
    """

    metadata: dict[str, Any] = {"render_modes": ["human", "ansi"], "render_fps": 4}  # noqa: RUF012 -- Gymnasium declares it so

    def __init__(
        self,
        task: str | Task = "phrasebook-de-en",
        scorer: str | Path | Scorer | None = None,
        split: str = "train",
        task_seed: int = 0,
        max_target_length: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"there is no render_mode {render_mode!r}; choose 'human', 'ansi' or None")
        if max_target_length is not None and max_target_length < 1:
            raise ValueError(f"max_target_length is {max_target_length}; an episode needs at least 1 token")
        if not isinstance(task, str) and task_seed != 0:
            raise ValueError(f"task_seed {task_seed} has no effect on a Task already made; pass the task's name")
        self.task = tasks.load_task(task, seed=task_seed) if isinstance(task, str) else task
        self.scorer = _scorer_of(self.task, scorer)
        self.tokenizer = self.task.tokenizer
        self.split_name = split
        self.max_target_length = max_target_length or self.task.max_target_length
        self.render_mode = render_mode

        self._allowed = allowed_tokens(self.tokenizer)
        self._action_mask = self._allowed.astype(np.int8)
        self.action_space = TokenSpace(self._allowed)
        self.observation_space = observation_space(
            self.tokenizer.vocab_size, self.task.max_source_length, self.max_target_length
        )  # type: ignore[assignment]  # Gymnasium types a Dict space as a space of spaces
        self._in_episode = False
        self._score: float | None = None
        self._source = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see the class for ``options``.

        Raises:
            ValueError: If an option is unknown, both name a source, or the source is empty or too long.
            TypeError: If an option has the wrong type.
            IndexError: If ``source_index`` is not a row of the split.
        """
        super().reset(seed=seed)
        index, source = self._choose_source(options or {})
        tokens = self.tokenizer.encode([source])[0]
        if len(tokens) > self.task.max_source_length:
            raise ValueError(
                f"the source has {len(tokens)} tokens but task {self.task.name!r} takes at most "
                f"{self.task.max_source_length}; shorten it: {source!r}"
            )
        self._index, self._source = index, source
        self._source_tokens = np.full(self.task.max_source_length, self.tokenizer.pad_id, dtype=np.int64)
        self._source_tokens[: len(tokens)] = tokens
        self._source_length = len(tokens)
        self._prefix = np.full(self.max_target_length, self.tokenizer.pad_id, dtype=np.int64)
        self._prefix_length = 0
        self._writing = HypothesisText(self.tokenizer)
        self._hypothesis = ""
        self._score = None
        self._in_episode = True
        if self.render_mode == "human":
            self.render()
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Write one token.

        Raises:
            ResetNeeded: Before the first ``reset`` and after the end of an episode.
            InvalidAction: If the token is masked or not in the vocabulary.
            ValueError: If the scorer gives a score outside [0, 1].
        """
        if not self._in_episode:
            raise ResetNeeded("there is no episode to step in; call reset() first")
        token = self._checked_token(action)
        self._prefix[self._prefix_length] = token
        self._prefix_length += 1
        terminated = token == self.tokenizer.eos_id
        truncated = not terminated and self._prefix_length == self.max_target_length
        reward = 0.0
        if terminated or truncated:
            self._in_episode = False
            self._hypothesis = self.tokenizer.decode([self._prefix[: self._prefix_length].tolist()])[0]
            reward = float(checked_scores(self.scorer, [self._source], [self._hypothesis])[0])
            self._score = reward
        else:
            self._hypothesis = self._writing.append(token)
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, terminated, truncated, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """``[V]`` bool, true where a token is allowed, under the name that sb3-contrib looks for."""
        return self._allowed.copy()

    def render(self) -> str | None:
        """Source, hypothesis and, at the end, score: returned in mode "ansi", printed in mode "human".

        Raises:
            ResetNeeded: Before the first ``reset``.
        """
        if not self._source:
            raise ResetNeeded("there is nothing to render; call reset() first")
        if self.render_mode is None:
            gym.logger.warn("render() shows nothing without a render mode; make it with render_mode='ansi'")
            return None
        text = render_text(self._source, self._hypothesis, self._score)
        if self.render_mode == "ansi":
            return text
        print(text, flush=True)
        return None

    @cached_property
    def _num_sources(self) -> int:
        size = self.task.size(self.split_name)
        if size == 0:
            raise ValueError(f"split {self.split_name!r} of task {self.task.name!r} is empty; choose another split")
        return size

    def _row(self, index: int) -> tuple[int, str]:
        return index, self.task.pair(self.split_name, index)[0]

    def _choose_source(self, options: Mapping[str, Any]) -> tuple[int, str]:
        unknown = sorted(options.keys() - {"source_index", "source"})
        if unknown:
            raise ValueError(f"reset does not know option {unknown[0]!r}; choose 'source_index' or 'source'")
        if len(options) == 2:
            raise ValueError("options 'source_index' and 'source' both name a source; give one of them")
        if "source" in options:
            source = options["source"]
            if not isinstance(source, str):
                raise TypeError(f"option 'source' is {source!r}; give the sentence as a str")
            if not source.strip():
                raise ValueError(f"option 'source' is {source!r}; give a sentence to translate")
            return FREE_TEXT, source
        if "source_index" not in options:
            return self._row(int(self.np_random.integers(self._num_sources)))
        try:
            index = operator.index(options["source_index"])
        except TypeError:
            raise TypeError(f"option 'source_index' is {options['source_index']!r}; give an int") from None
        if not 0 <= index < self._num_sources:
            raise IndexError(f"source_index {index} is not in 0..{self._num_sources - 1}, split {self.split_name!r}")
        return self._row(index)

    def _checked_token(self, action: np.int64 | int) -> int:
        try:
            token = operator.index(action)
        except TypeError:
            raise InvalidAction(f"action {action!r} is not a token id; give an integer") from None
        if not 0 <= token < len(self._allowed):
            raise InvalidAction(f"token {token} is not in the vocabulary; give 0..{len(self._allowed) - 1}")
        if not self._allowed[token]:
            raise InvalidAction(f"token {token} is masked (padding or start); choose by info['action_mask']")
        return token

    def _observation(self) -> Observation:
        return {
            "source": self._source_tokens.copy(),
            "source_length": np.array([self._source_length], dtype=np.int64),
            "prefix": self._prefix.copy(),
            "prefix_length": np.array([self._prefix_length], dtype=np.int64),
        }

    def _info(self) -> dict[str, Any]:
        info = {
            "source": self._source,
            "hypothesis": self._hypothesis,
            "source_index": self._index,
            "action_mask": self._action_mask.copy(),
        }
        if self._score is not None:
            info["score"] = self._score
        return info


def _scorer_of(task: Task, scorer: str | Path | Scorer | None) -> Scorer:
    if scorer is None:
        if task.default_scorer is None:
            raise ValueError(f"task {task.name!r} has no default scorer; pass scorer=")
        scorer = task.default_scorer
    return load_scorer(scorer) if isinstance(scorer, (str, Path)) else scorer


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
