"""Scalar environment: one sentence per episode, one token per step."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import NDArray

from seq2seq_env.constraint import Constraint
from seq2seq_env.mdp.arguments import refuse_unknown
from seq2seq_env.mdp.definition import (
    NOT_MASKED,
    RENDER_MODES,
    UNSCORED,
    MDPDefinition,
    Observation,
    Potential,
    checked_render_mode,
)
from seq2seq_env.mdp.hypothesis_text import hypothesis_text
from seq2seq_env.mdp.rendering import Frame, render
from seq2seq_env.mdp.sources import LongSource
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


class Seq2SeqTranslateEnv(gym.Env[Observation, np.int64]):
    """Translates one source sentence per episode, one token per step.

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
    start token can never be right and are masked, and so is what `constraint` forbids: tokens outside its vocabulary,
    and all but one token where its prefix, or the episode's `target_prefix`, is not written yet. A masked token raises
    `InvalidAction`, or, with `masked_action_penalty=c`, ends the episode unwritten and unscored with the reward `-c`.
    An id outside the vocabulary always raises. `env.action_space.sample()` draws tokens that are allowed after the
    prefix. The unknown token is allowed, decodes to nothing and so only wastes a step.

    ## Observation Space

    `Dict` of int64 boxes; S and T are the task's longest source and the length limit, end-of-sequence included.

    | key             | shape | values     | meaning                                                    |
    |-----------------|-------|------------|------------------------------------------------------------|
    | `source`        | [S]   | 0 .. V - 1 | all tokens that the source is encoded to, then padding     |
    | `source_length` | [1]   | 1 .. S     | how many of them are not padding                           |
    | `prefix`        | [T]   | 0 .. V - 1 | tokens written so far, without a start token, then padding |
    | `prefix_length` | [1]   | 0 .. T     | how many of them are not padding                           |

    ## Rewards

    0 before the end. The last step's reward is the scorer's score of the text written, in [0, 1], whether the episode
    was terminated or truncated. The discount is 1. Of a source that was truncated the scorers get what the observation
    shows, so that the reward depends on nothing that a policy cannot see.

    With `potential=Phi`, a function of stacked observations, each step's reward is `r + Phi(s') - Phi(s)`, `Phi` being
    0 at the end (Ng, Harada and Russell 1999). All translations of a source then have their return changed by the same
    `-Phi(s_0)`, so the best policies stay the best. `agents.ValueNetwork.potential` is such a function.

    ## Starting State

    A source drawn uniformly from the split with the environment's generator, and an empty prefix. `reset` takes
    `options={"source_index": i}` for row i of the split, or `options={"source": text}` for any sentence, and
    `"target_prefix": text` for a beginning that the translation must have.

    ## Episode End

    - Termination: the end-of-sequence token is written.
    - Truncation: `max_target_length` tokens are written and the last is not end-of-sequence. Learners that add the
      value of the next state where an episode is truncated (PPO of Stable-Baselines3, say) would add it to a reward
      that is already all there is, and learn to run to the limit: with `limit_terminates=True` the limit terminates.

    A further `step` raises `ResetNeeded`. `spec.max_episode_steps` is the length limit; an environment that is made
    again from `spec` has Gymnasium's `TimeLimit` there, too, unless made with `max_episode_steps=-1`.

    ## Information

    `reset` and every `step` return `source_text` and `hypothesis` (str, what is written so far), `source_index` (int,
    -1 for free text), `action_mask` (int8 [V], 1 where allowed) and `score` (float, -1 before the end and where a
    masked token ended the episode). With `info_scorers` there is `scores` (a dict of such floats by their names), with
    `masked_action_penalty` `masked_action` (int, the token that was refused, else -1), and with
    `long_source="truncate"` `source_truncated` (bool). No key is one of an observation, and none comes or goes during
    an episode. `action_masks()` gives the mask as bool for libraries that look for it.

    ## Arguments

    | argument                | default            | meaning                                                      |
    |-------------------------|--------------------|--------------------------------------------------------------|
    | `task`                  | "phrasebook-de-en" | a name for `load_task`, or a `Task`                          |
    | `scorer`                | None               | a `Scorer`, or a name or folder for it, which is loaded once |
    |                         |                    | for all environments of a process; None: the task's own      |
    | `split`                 | "train"            | where sources are drawn: "train", "validation", "test", or   |
    |                         |                    | "source-only" where the task has sentences without reference |
    | `task_seed`             | 0                  | seed from which a named task is made                         |
    | `max_target_length`     | None               | tokens after which an episode is truncated; None: the task's |
    | `render_mode`           | None               | "ansi": `render` returns text; "rgb_array": a picture of it; |
    |                         |                    | "human": each step prints it                                 |
    | `constraint`            | None               | a `Constraint`: tokens to choose from, and a beginning       |
    | `long_source`           | "refuse"           | a source beyond the task's limit: "refuse" or "truncate" it  |
    | `limit_terminates`      | False              | whether the length limit terminates instead of truncating    |
    | `masked_action_penalty` | None               | what a masked token costs, in reward; None raises instead    |
    | `info_scorers`          | None               | name to scorer, rated at the end for `info["scores"]`        |
    | `potential`             | None               | `Phi` of stacked observations, float32 [n], to shape rewards |

    ## Vectorized environment

    `gym.make_vec("Seq2SeqTranslate-v0", num_envs=64)` plays episodes side by side, each step in a few array operations
    and with one scorer call for all episodes that end in it: see `Seq2SeqTranslateVectorEnv`, whose episode i is that
    of this environment reset with `seed + i`, step for step.

    ## Version History

    * v0: initial version.
    """

    metadata: dict[str, Any] = {"render_modes": [*RENDER_MODES], "render_fps": 4}  # noqa: RUF012 -- Gymnasium declares it so

    def __init__(
        self,
        task: str | Task = "phrasebook-de-en",
        scorer: str | Path | Scorer | None = None,
        *,
        split: str = "train",
        task_seed: int = 0,
        max_target_length: int | None = None,
        render_mode: str | None = None,
        constraint: Constraint | None = None,
        long_source: LongSource = "refuse",
        limit_terminates: bool = False,
        masked_action_penalty: float | None = None,
        info_scorers: Mapping[str, str | Path | Scorer] | None = None,
        potential: Potential | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown(unknown, Seq2SeqTranslateEnv, "the environment")
        self.render_mode = checked_render_mode(render_mode)
        self.definition = definition = MDPDefinition(
            task, scorer, split=split, task_seed=task_seed, max_target_length=max_target_length, constraint=constraint,
            long_source=long_source, limit_terminates=limit_terminates, masked_action_penalty=masked_action_penalty,
            info_scorers=info_scorers, potential=potential,
        )  # fmt: skip
        self.task, self.tokenizer, self.scorer = definition.task, definition.tokenizer, definition.scorer
        self.max_target_length = definition.max_target_length
        self.action_space = definition.action_space
        self.observation_space = definition.observation_space  # type: ignore[assignment]  # it is a space of spaces
        self._allowed = definition.allowed.tolist()
        self._about: dict[str, Any] = {}
        self._in_episode = False
        self._spec: EnvSpec | None = None

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
        definition = self.definition
        options = definition.checked_options(options)
        source, forced = definition.sources.chosen(options), definition.forced_prefix(options)
        if source is None:
            source = definition.sources.rows(self.np_random.integers(len(definition.sources), size=1))
        self._about = {"source_text": source.texts[0], "source_index": int(source.source_index[0])}
        if definition.sources.long_source == "truncate":
            self._about["source_truncated"] = bool(source.truncated[0])
        self._source, self._source_length = source.tokens[0].astype(np.int64), source.lengths.astype(np.int64)
        self._shown_text = source.shown[0]
        self._forced = forced
        self._prefix = np.full(self.max_target_length, self.tokenizer.pad_id, dtype=np.int64)
        self._length = 0
        self._writing = hypothesis_text(self.tokenizer)
        self._hypothesis = ""
        self._ending = self._open_ending()
        observation = self._observation()
        self._in_episode = False
        self._potential = self._potential_of(observation)
        self._in_episode = True
        if self.render_mode == "human":
            self.render()
        return observation, self._info()

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Write one token.

        Raises:
            ResetNeeded: Before the first ``reset`` and after the end of an episode.
            InvalidAction: If the token is not in the vocabulary, or is masked and ``masked_action_penalty`` is None.
            ValueError: If a scorer gives a score outside [0, 1]. After this and any other failure of scorer or
                potential, call ``reset``.
        """
        if not self._in_episode:
            raise ResetNeeded("there is no episode to step in; call reset() first")
        token = self._checked_token(action)
        length = self._length
        if token != self._forced[length] if length < len(self._forced) else not self._allowed[token]:
            return self._refused(token)
        self._in_episode = False  # until all has gone well: what fails in between leaves no episode to go on with
        self._prefix[length] = token
        self._length = length = length + 1
        self._hypothesis = self._writing.append(token)
        terminated = token == self.tokenizer.eos_id
        truncated = not terminated and length == self.max_target_length
        if truncated and self.definition.limit_terminates:
            terminated, truncated = True, False
        ended = terminated or truncated
        reward = self._scored() if ended else 0.0
        observation = self._observation()
        if self.definition.potential is not None:
            before, self._potential = self._potential, 0.0 if ended else self._potential_of(observation)
            reward += self._potential - before
        self._in_episode = not ended
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, self._info()

    @property
    def spec(self) -> EnvSpec | None:
        """What ``gymnasium.make`` made it from, with the length limit as ``max_episode_steps``.

        The registered one has none: it would cut at one length, whatever the task's or ``max_target_length`` is, and
        truncate what ``limit_terminates``.
        """
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = None if spec is None else replace(spec, max_episode_steps=self.max_target_length)

    def action_masks(self) -> NDArray[np.bool_]:
        """``[V]`` bool, true where a token is allowed now, under the name that sb3-contrib looks for."""
        return self._mask().astype(np.bool_)

    def render(self) -> str | Frame | None:
        """Source, hypothesis and, at the end, score.

        Returned as text in mode "ansi", as a picture, uint8 [H,W,3], in mode "rgb_array", and printed in mode "human".

        Raises:
            ResetNeeded: Before the first ``reset``.
        """
        if not self._about:
            raise ResetNeeded("there is nothing to render; call reset() first")
        shown = render(self.render_mode, [self._about["source_text"]], [self._hypothesis], [self._ending["score"]])
        return None if shown is None else shown[0]

    def _checked_token(self, action: np.int64 | int) -> int:
        try:
            token = operator.index(action)
        except TypeError:
            raise InvalidAction(f"action {action!r} is not a token id; give an integer") from None
        if not 0 <= token < len(self._allowed):
            raise InvalidAction(f"token {token} is not in the vocabulary; give 0..{len(self._allowed) - 1}")
        return token

    def _refused(self, token: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """What a masked token leads to: an error, or the end of the episode with a penalty."""
        penalty = self.definition.masked_action_penalty
        if penalty is None:
            raise InvalidAction(f"token {token} is masked; choose by info['action_mask']")
        self._in_episode = False
        self._ending["masked_action"] = token
        if self.render_mode == "human":
            self.render()
        return self._observation(), -penalty - self._potential, True, False, self._info()

    def _scored(self) -> float:
        self._hypothesis = self._writing.whole()
        scores, others = self.definition.ratings([self._shown_text], [self._hypothesis])
        self._ending["score"] = float(scores[0])
        if others:
            self._ending["scores"] = {name: float(values[0]) for name, values in others.items()}
        return float(scores[0])

    def _open_ending(self) -> dict[str, Any]:
        """What the infos say of an end that has not come: the keys are the same at every step, as recorders want."""
        ending: dict[str, Any] = {"score": UNSCORED}
        if self.definition.info_scorers:
            ending["scores"] = dict.fromkeys(self.definition.info_scorers, UNSCORED)
        if self.definition.masked_action_penalty is not None:
            ending["masked_action"] = NOT_MASKED
        return ending

    def _potential_of(self, observation: Observation) -> float:
        """``Phi`` of a state that is no end; 0 where there is none."""
        if self.definition.potential is None:
            return 0.0
        return float(self.definition.potentials({key: value[None] for key, value in observation.items()})[0])

    def _observation(self) -> Observation:
        return {
            "source": self._source.copy(),
            "source_length": self._source_length.copy(),
            "prefix": self._prefix.copy(),
            "prefix_length": np.array([self._length]),
        }

    def _mask(self) -> NDArray[np.int8]:
        if not self._about or self._length >= len(self._forced):
            return self.definition.action_mask.copy()
        mask = np.zeros(len(self._allowed), dtype=np.int8)
        mask[self._forced[self._length]] = 1
        return mask

    def _info(self) -> dict[str, Any]:
        info = {**self._about, "hypothesis": self._hypothesis, "action_mask": self._mask(), **self._ending}
        if "scores" in info:
            info["scores"] = dict(info["scores"])
        return info
