"""Vector environment: many episodes side by side, a few array operations per step.

Shape letters: N episodes, n of them, V vocabulary.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Never

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from seq2seq_env.constraint import Constraint
from seq2seq_env.mdp.arguments import refuse_unknown
from seq2seq_env.mdp.definition import RENDER_MODES, MDPDefinition, Observation, Potential, checked_render_mode
from seq2seq_env.mdp.episodes import Episodes, Infos, Rows
from seq2seq_env.mdp.rendering import Frame, render
from seq2seq_env.mdp.sources import LongSource, SourceRows
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


class Seq2SeqTranslateVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """N episodes of :class:`seq2seq_env.env.Seq2SeqTranslateEnv`, one token of each per step.

    ```python
    >>> import gymnasium as gym
    >>> import seq2seq_env
    >>> envs = gym.make_vec("Seq2SeqTranslate-v0", num_envs=8, vectorization_mode="vector_entry_point")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations["source"].shape
    (8, 48)
    >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    >>> rewards.shape, infos["hypothesis"].shape, infos["action_mask"].shape
    ((8,), (8,), (8, 2000))

    ```

    Observations, rewards, ends and infos are those of N scalar environments in Gymnasium's ``SyncVectorEnv``, to the
    last bit where scorer and potential are batch-invariant (the learned scorer is to 1e-6), and episode i is that of a
    scalar environment reset with ``seed + i``. Each scorer is asked once per step, for all episodes that end in it.
    ``infos["_" + key]`` tells which episodes have an info: all, but in ``final_info``, and after a ``reset`` with a
    mask, which tells of the episodes that it starts. For the others there is no value then, as in ``SyncVectorEnv``,
    and their rows of ``infos["action_mask"]`` are 0: take :meth:`action_masks`, which is right for all. The mask is
    read-only, as its rows may be one in memory.

    What happens to an ended episode (``metadata["autoreset_mode"]``):

    - ``NEXT_STEP``: the next ``step`` ignores its action and gives its next first observation, with reward 0. That
      step is no part of any episode and must not enter a buffer.
    - ``SAME_STEP``: the observation and the info returned are already those of its next episode; what ended it is in
      ``infos["final_obs"]`` (object [N], dicts) and ``infos["final_info"]``.
    - ``DISABLED``: it waits for ``reset(options={"reset_mask": bool [N]})``; a ``step`` before that raises.

    ``reset`` takes the options of the scalar environment, one value for all episodes or a sequence of N.

    Args:
        num_envs: N, at least 1.
        autoreset_mode: ``AutoresetMode`` or its value.
        copy: False returns observations that the next step overwrites.
        render_mode: "ansi": ``render`` returns N texts; "rgb_array": N pictures; "human": each step prints the texts.
        task: A name for ``load_task``, or a ``Task``; this and what follows are the scalar environment's arguments.
        scorer: A ``Scorer``, or a name or folder for it, which is loaded once for all environments of a process; None
            takes the task's own.
        split: Where sources are drawn: "train", "validation" or "test", or "source-only" where the task has sentences
            without references.
        task_seed: Seed from which a named task is made.
        max_target_length: Tokens after which an episode is truncated; None takes the task's.
        constraint: Tokens to choose from, and a beginning that every target must have.
        long_source: What is done with a source beyond the task's limit: "refuse" or "truncate" it.
        limit_terminates: Whether the length limit terminates an episode instead of truncating it.
        masked_action_penalty: What a masked token costs, in reward; None raises instead.
        info_scorers: Name to scorer, rated at the end for ``infos["scores"]``.
        potential: ``Phi`` of stacked observations, float32 [n], to shape rewards.

    Raises:
        ValueError: If an argument is out of range or names something unknown.
        TypeError: If an argument has the wrong type, or there is none of a name.
    """

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
        *,
        task: str | Task = "phrasebook-de-en",
        scorer: str | Path | Scorer | None = None,
        split: str = "train",
        task_seed: int = 0,
        max_target_length: int | None = None,
        constraint: Constraint | None = None,
        long_source: LongSource = "refuse",
        limit_terminates: bool = False,
        masked_action_penalty: float | None = None,
        info_scorers: Mapping[str, str | Path | Scorer] | None = None,
        potential: Potential | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown(unknown, Seq2SeqTranslateVectorEnv, "the vector environment")
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; give at least 1")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [*RENDER_MODES], "render_fps": 4, "autoreset_mode": self.autoreset_mode}
        self.render_mode = checked_render_mode(render_mode)
        self.definition = definition = MDPDefinition(
            task, scorer, split=split, task_seed=task_seed, max_target_length=max_target_length, constraint=constraint,
            long_source=long_source, limit_terminates=limit_terminates, masked_action_penalty=masked_action_penalty,
            info_scorers=info_scorers, potential=potential,
        )  # fmt: skip
        self.task, self.tokenizer, self.scorer = definition.task, definition.tokenizer, definition.scorer
        self.max_target_length = definition.max_target_length
        self.num_envs = num_envs
        self.single_action_space = definition.action_space
        self.single_observation_space = definition.observation_space
        self.action_space = batch_space(definition.action_space, num_envs)
        self.observation_space = batch_space(definition.observation_space, num_envs)
        self._generators: list[tuple[np.random.Generator, int] | None] = [None] * num_envs
        self._episodes = Episodes(definition, num_envs, copy)
        self._begun = False
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._potential = np.zeros(num_envs)

    @property  # type: ignore[misc]  # read-only, as of SyncVectorEnv
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each episode's own generator."""
        return tuple(self._generator(row)[0] for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """Their seeds."""
        return tuple(self._generator(row)[1] for row in range(self.num_envs))

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, Infos]:
        """Start episodes: all, or those of ``options["reset_mask"]`` (bool [N]), of which alone the infos tell then.

        Args:
            seed: Episode i gets ``seed + i``, or ``seed[i]``; None goes on with the generators there are.
            options: See the class.

        Raises:
            ValueError: If an option is unknown or has a wrong number of values, the mask is not bool [N] with a True,
                or a source is empty or too long.
            TypeError: If an option or the seed has the wrong type.
            IndexError: If a ``source_index`` is not a row of the split.
            ResetNeeded: If a mask leaves out an episode that never began.
        """
        options = dict(self.definition.checked_options(options, "reset_mask"))
        mask = _checked_mask(options.pop("reset_mask", None), self.num_envs)
        if not self._begun and not mask.all():
            raise ResetNeeded("no episode has begun; call reset() without reset_mask first")
        rows = np.flatnonzero(mask)
        self._seed(seed, rows)
        begun = self._begun
        self._begin(rows, options)
        if self.definition.potential is not None:
            self._begun = False
            self._potential[rows] = self.definition.potentials(self._episodes.observation(rows))
        self._begun = begun or bool(mask.all())
        if self.render_mode == "human":
            self.render()
        return self._episodes.observations(), self._episodes.infos(rows)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Write one token in each episode.

        Args:
            actions: int [N]; under ``NEXT_STEP`` those of ended episodes are ignored.

        Raises:
            ResetNeeded: Before the first ``reset``, and under ``DISABLED`` if an episode has ended.
            InvalidAction: If there are not N integers, one is not in the vocabulary, or one is masked and
                ``masked_action_penalty`` is None. Nothing has changed then.
            ValueError: If a scorer gives a score outside [0, 1]. After this and any other failure of scorer, potential
                or task, call ``reset``.
        """
        resetting, episodes = self._to_reset(), self._episodes
        rows = np.flatnonzero(~self._ended) if len(resetting) else episodes.all_rows
        tokens, masked = episodes.checked_tokens(actions, rows)
        self._begun = False  # until all has gone well: what fails in between leaves no episode to go on with
        writing = rows if masked is None else rows[~masked]
        episodes.write(writing, tokens if masked is None else tokens[~masked])
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        truncated, rewards = terminated.copy(), np.zeros(self.num_envs)
        stepped, written = episodes.selection(rows), episodes.selection(writing)
        terminated[stepped] = tokens == self.tokenizer.eos_id
        if masked is not None:
            terminated[stepped] |= masked
        # End-of-sequence in the last place terminates; a masked token is not written, so it cannot reach the limit.
        truncated[written] = (episodes.written[written] == self.max_target_length) & ~terminated[written]
        if self.definition.limit_terminates:
            terminated, truncated = terminated | truncated, np.zeros_like(truncated)
        ended = terminated | truncated
        if masked is not None:
            rewards[rows[masked]] = -float(self.definition.masked_action_penalty or 0.0)
            episodes.refuse(rows[masked], tokens[masked])
        if ended.any() and len(over := writing[ended[writing]]):
            episodes.rate(over)
            rewards[over] = episodes.score[over]
        # Under SAME_STEP the last states go into infos before the next episodes overwrite them.
        final = self._final(ended) if self.autoreset_mode is AutoresetMode.SAME_STEP and ended.any() else {}
        if len(resetting):
            self._begin(resetting, {})
        if final:
            self._begin(np.flatnonzero(ended), {})
        self._ended = np.zeros_like(ended) if final else ended.copy()
        if self.definition.potential is not None:
            self._shape(rewards, rows, ended)
        self._begun = True
        if self.render_mode == "human":
            self.render()
        return episodes.observations(), rewards, terminated, truncated, final | episodes.infos(episodes.all_rows)

    def action_masks(self) -> NDArray[np.bool_]:
        """``[N, V]`` bool, true where a token is allowed now, in every episode; read-only."""
        return self._episodes.action_mask(self._episodes.all_rows).view(np.bool_)

    def render(self) -> tuple[str, ...] | tuple[Frame, ...] | None:
        """Source, hypothesis and, at the end, score of each.

        Returned as text in mode "ansi", as a picture, uint8 [H,W,3], in mode "rgb_array", and printed in mode "human".

        Raises:
            ResetNeeded: Before the first ``reset``.
        """
        if not self._begun:
            raise ResetNeeded("there is nothing to render; call reset() first")
        return render(self.render_mode, self._episodes.source_text, self._episodes.texts, self._episodes.score)

    def _generator(self, row: int) -> tuple[np.random.Generator, int]:
        generator = self._generators[row] = self._generators[row] or seeding.np_random()
        return generator

    def _seed(self, seed: int | Sequence[int | None] | None, rows: Rows) -> None:
        if seed is None:
            return
        if isinstance(seed, (Sequence, np.ndarray)):
            seeds = _per_episode("seed", seed, self.num_envs)
        else:
            first = operator.index(seed)
            seeds = range(first, first + self.num_envs)
        for row in rows.tolist():
            if seeds[row] is not None:
                self._generators[row] = seeding.np_random(operator.index(seeds[row]))

    def _begin(self, rows: Rows, options: dict[str, Any]) -> None:
        """Start the episodes ``rows``; where an option is wrong, before anything has changed."""
        definition = self.definition
        every = {name: _per_episode(name, value, self.num_envs) for name, value in options.items()}
        chosen = [{name: values[row] for name, values in every.items()} for row in rows.tolist()] if every else []
        forced = [definition.forced_prefix(single) for single in chosen]
        named = [source for source in map(definition.sources.chosen, chosen) if source is not None]
        if named:
            sources = SourceRows(*map(np.concatenate, zip(*named, strict=True)))
        else:
            size = len(definition.sources)
            drawn = [self._generator(row)[0].integers(size) for row in rows.tolist()]
            sources = definition.sources.rows(np.array(drawn))
        self._episodes.begin(rows, sources, forced or [definition.constraint.prefix] * len(rows))
        self._ended[rows] = False

    def _to_reset(self) -> Rows:
        """Episodes that this step only starts anew."""
        if not self._begun:
            raise ResetNeeded("there is no episode to step in; call reset() first")
        ended = np.flatnonzero(self._ended)
        if len(ended) and self.autoreset_mode is AutoresetMode.DISABLED:
            raise ResetNeeded(
                f"episode {ended[0]} of {self.num_envs} has ended; call reset(options={{'reset_mask': ended}}) first"
            )
        return ended

    def _final(self, ended: NDArray[np.bool_]) -> Infos:
        """What ``SAME_STEP`` says of the episodes that have just ended."""
        rows = np.flatnonzero(ended)
        observations = self._episodes.observation(rows)
        last = np.full(self.num_envs, None, dtype=object)
        for place, row in enumerate(rows.tolist()):
            last[row] = {name: values[place] for name, values in observations.items()}
        return {
            "final_obs": last,
            "_final_obs": ended.copy(),
            "final_info": self._episodes.infos(rows),
            "_final_info": ended.copy(),
        }

    def _shape(self, rewards: NDArray[np.float64], rows: Rows, ended: NDArray[np.bool_]) -> None:
        """Add ``Phi(s') - Phi(s)`` to the rewards of the episodes that were stepped in."""
        # An end has potential 0, whatever Phi says of it, or shaping would change which policy is best.
        before, now = self._potential, np.zeros(self.num_envs)
        live = np.flatnonzero(~self._ended)
        if len(live):
            now[live] = self.definition.potentials(self._episodes.observation(live))
        rewards[rows] += np.where(ended, 0.0, now)[rows] - before[rows]
        self._potential = now


def _per_episode(name: str, value: Any, size: int) -> Sequence[Any] | NDArray[Any]:
    """What is given for each of ``size`` episodes: one value for all, or one for each.

    Raises:
        ValueError: If there is one for each of another number.
    """
    if isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray)):
        return [value] * size
    if len(value) != size:
        raise ValueError(f"{name} has {len(value)} values for {size} environments; give one, or one for each")
    return value


def _checked_mask(mask: Any, size: int) -> NDArray[np.bool_]:
    """``options["reset_mask"]``, bool [size]; None is all.

    Raises:
        TypeError: If it is no array of bool.
        ValueError: If it has another shape, or no True.
    """
    if mask is None:
        return np.ones(size, dtype=np.bool_)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"option 'reset_mask' is {mask!r}; give a NumPy array of bool, one for each environment")
    if mask.shape != (size,) or not mask.any():
        raise ValueError(
            f"option 'reset_mask' has shape {mask.shape} and {int(mask.sum())} True; give shape ({size},) with at "
            "least one"
        )
    return mask
