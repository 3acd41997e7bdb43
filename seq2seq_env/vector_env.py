"""Many episodes of translation side by side, a few array operations a step.

Shape letters: N episodes, n of them, S longest source, T length limit, V vocabulary.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from seq2seq_env.mdp.definition import RENDER_MODES, Observation, Rules, checked_render_mode
from seq2seq_env.mdp.forced_prefixes import ForcedPrefixes
from seq2seq_env.mdp.hypothesis_text import HypothesisTexts
from seq2seq_env.mdp.rendering import render_text
from seq2seq_env.mdp.sources import checked_text

Infos = dict[str, Any]
Rows = NDArray[np.int64]
Selection = Rows | slice
"""Episodes; all of them as a slice, which NumPy indexes with many times as fast."""


class Seq2SeqTranslateVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """N episodes of :class:`seq2seq_env.env.Seq2SeqTranslateEnv`, one token of each a step.

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
    last bit where scorer and potential give a pair the same number in any company (the learned scorer does to 1e-6),
    and episode i is that of a scalar environment reset with ``seed + i``. Each scorer is asked once a step, for all
    episodes that end in it. What an info lacks for some episodes is masked by ``infos["_" + key]``;
    ``infos["action_mask"]`` is read-only, as its rows may be one in memory.

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
        render_mode: "ansi": ``render`` returns N texts; "human": each step prints them.
        **arguments: As for the scalar environment.

    Raises:
        ValueError: If an argument is out of range or names something unknown.
        TypeError: If an argument is unknown.
    """

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; give at least 1")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [*RENDER_MODES], "render_fps": 4, "autoreset_mode": self.autoreset_mode}
        self.render_mode = checked_render_mode(render_mode)
        self.rules = rules = Rules(**arguments)
        self.task, self.tokenizer, self.scorer = rules.task, rules.tokenizer, rules.scorer
        self.max_target_length = rules.max_target_length
        self.num_envs = num_envs
        self.single_action_space = rules.action_space
        self.single_observation_space = rules.observation_space
        self.action_space = batch_space(rules.action_space, num_envs)
        self.observation_space = batch_space(rules.observation_space, num_envs)
        self._copy = copy
        self._generators: list[tuple[np.random.Generator, int] | None] = [None] * num_envs
        self._all, self._everyone = np.arange(num_envs), np.ones(num_envs, dtype=np.bool_)
        self._forbidden = ~rules.allowed
        self._free_mask = np.broadcast_to(rules.action_mask, (num_envs, len(rules.action_mask)))

        self._begun = False
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        # A large part of a step at many tokens is the copy of them: what is read for it should stay in the caches.
        tokens = np.min_scalar_type(self.tokenizer.vocab_size) if copy else np.int64
        self._source = np.full((num_envs, self.task.max_source_length), self.tokenizer.pad_id, dtype=tokens)
        self._source_length = np.zeros((num_envs, 1), dtype=np.int64)
        self._source_text = np.full(num_envs, None, dtype=object)
        self._source_index = np.zeros(num_envs, dtype=np.int64)
        self._source_truncated = np.zeros(num_envs, dtype=np.bool_)
        self._prefix = np.full((num_envs, self.max_target_length), self.tokenizer.pad_id, dtype=tokens)
        self._written = np.zeros(num_envs, dtype=np.int64)
        self._hypotheses = HypothesisTexts(self.tokenizer, num_envs)
        self._forced = ForcedPrefixes(num_envs)
        self._potential = np.zeros(num_envs)
        self._score = np.full(num_envs, None, dtype=object)

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
        """Start episodes: all, or those of ``options["reset_mask"]`` (bool [N]).

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
        options = dict(self.rules.checked_options(options, "reset_mask"))
        mask = _checked_mask(options.pop("reset_mask", None), self.num_envs)
        if not self._begun and not mask.all():
            raise ResetNeeded("no episode has begun; call reset() without reset_mask first")
        rows = np.flatnonzero(mask)
        self._seed(seed, rows)
        begun = self._begun
        self._begin(rows, options)
        if self.rules.potential is not None:
            self._begun = False
            self._potential[rows] = self.rules.potentials(self._observation(rows))
        self._begun = begun or bool(mask.all())
        if self.render_mode == "human":
            self.render()
        return self._observations(), self._infos(rows)

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
        resetting = self._to_reset()
        rows = np.flatnonzero(~self._ended) if len(resetting) else self._all
        tokens, refused = self._checked_tokens(actions, rows)
        self._begun = False  # until all has gone well: what fails in between leaves no episode to go on with
        writing = rows if refused is None else rows[~refused]
        self._write(writing, tokens if refused is None else tokens[~refused])
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        truncated, rewards = terminated.copy(), np.zeros(self.num_envs)
        stepped, written = self._selection(rows), self._selection(writing)
        terminated[stepped] = tokens == self.tokenizer.eos_id
        if refused is not None:
            terminated[stepped] |= refused
        truncated[written] = (self._written[written] == self.max_target_length) & ~terminated[written]
        if self.rules.limit_terminates:
            terminated, truncated = terminated | truncated, np.zeros_like(truncated)
        ended = terminated | truncated
        ending: Infos = {}
        if refused is not None:
            rewards[rows[refused]] = -float(self.rules.masked_action_penalty or 0.0)
            ending = self._info("masked_action", tokens[refused].astype(np.int64), rows[refused])
        if ended.any() and len(over := writing[ended[writing]]):
            ending |= self._rated(over)
            rewards[over] = self._score[over].astype(np.float64)
        final = self._final(ended, ending) if self.autoreset_mode is AutoresetMode.SAME_STEP and ending else {}
        if len(resetting):
            self._begin(resetting, {})
        if final:
            self._begin(np.flatnonzero(ended), {})
        self._ended = np.zeros_like(ended) if final else ended.copy()
        if self.rules.potential is not None:
            self._shape(rewards, rows, ended)
        self._begun = True
        if self.render_mode == "human":
            self.render()
        infos = final | self._infos(self._all) | ({} if final else ending)
        return self._observations(), rewards, terminated, truncated, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """``[N, V]`` bool, true where a token is allowed now; read-only."""
        return self._action_mask(self._all).view(np.bool_)

    def render(self) -> tuple[str, ...] | None:
        """Source, hypothesis and, at the end, score of each: returned in mode "ansi", printed in mode "human".

        Raises:
            ResetNeeded: Before the first ``reset``.
        """
        if not self._begun:
            raise ResetNeeded("there is nothing to render; call reset() first")
        if self.render_mode is None:
            gym.logger.warn("render() shows nothing without a render mode; make it with render_mode='ansi'")
            return None
        texts = tuple(map(render_text, self._source_text, self._hypotheses.texts, self._score))
        if self.render_mode == "ansi":
            return texts
        print(*texts, sep="\n", flush=True)
        return None

    def _generator(self, row: int) -> tuple[np.random.Generator, int]:
        found = self._generators[row]
        if found is None:
            found = self._generators[row] = seeding.np_random()
        return found

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
        rules = self.rules
        rules.sources.check_one(options)
        every = {name: _per_episode(name, value, self.num_envs) for name, value in options.items()}
        chosen = [{name: values[row] for name, values in every.items()} for row in rows.tolist()] if every else []
        forced = [rules.forced_prefix(single) for single in chosen]
        if "source" in every:
            named = [rules.sources.free_text(checked_text(single["source"])) for single in chosen]
            tokens, lengths, truncated, index = (
                np.array([getattr(source, name) for source in named])
                for name in ("tokens", "length", "truncated", "row")
            )
            texts = np.array([source.text for source in named], dtype=object)
        else:
            if "source_index" in every:
                index = np.array([rules.sources.checked_index(single["source_index"]) for single in chosen])
            else:
                size = len(rules.sources)
                index = np.array([self._generator(row)[0].integers(size) for row in rows.tolist()])
            texts, tokens, lengths, truncated = rules.sources.rows(index)
        self._source[rows], self._source_length[rows, 0] = tokens, lengths
        self._source_text[rows], self._source_index[rows] = texts, index
        self._source_truncated[rows] = truncated
        self._prefix[rows] = self.tokenizer.pad_id
        self._written[rows] = 0
        self._hypotheses.clear(rows)
        self._score[rows] = None
        self._ended[rows] = False
        self._forced.set(rows, forced or [rules.constraint.prefix] * len(rows))

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

    def _checked_tokens(self, actions: Any, rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """Tokens [n] of the episodes ``rows``, and which of them are masked; None where none is."""
        given = np.asarray(actions)
        if given.shape != (self.num_envs,) or given.dtype.kind not in "iu":
            raise InvalidAction(
                f"actions are {given.dtype} of shape {given.shape}; give {self.num_envs} integers, one an episode"
            )
        tokens = given if rows is self._all else given[rows]
        allowed = self.rules.allowed
        outside = (tokens < 0) | (tokens >= len(allowed))
        if outside.any():
            place = int(np.flatnonzero(outside)[0])
            raise InvalidAction(
                f"token {tokens[place]} of episode {rows[place]} is not in the vocabulary; give 0..{len(allowed) - 1}"
            )
        refused = self._forbidden[tokens]
        for place, token in self._forced.next_tokens(rows, self._written):
            refused[place] = tokens[place] != token
        if not refused.any():
            return tokens, None
        if self.rules.masked_action_penalty is None:
            place = int(np.flatnonzero(refused)[0])
            raise InvalidAction(
                f"token {tokens[place]} of episode {rows[place]} is masked; choose by infos['action_mask']"
            )
        return tokens, refused

    def _write(self, rows: Rows, tokens: NDArray[np.int64]) -> None:
        selected = self._selection(rows)
        self._prefix[rows, self._written[selected]] = tokens
        self._written[selected] += 1
        self._hypotheses.append(rows, tokens)

    def _rated(self, rows: Rows) -> Infos:
        """Score the episodes that have been written to their end, and say of them what the scalar environment says."""
        self._hypotheses.settle(rows)
        scores, others = self.rules.ratings(self._source_text[rows].tolist(), self._hypotheses.texts[rows].tolist())
        self._score[rows] = scores.astype(np.float64)
        infos = self._info("score", scores.astype(np.float64), rows)
        if others:
            infos["scores"], infos["_scores"] = {}, infos["_score"].copy()
            for name, values in others.items():
                infos["scores"] |= self._info(name, values.astype(np.float64), rows)
        return infos

    def _final(self, ended: NDArray[np.bool_], ending: Infos) -> Infos:
        """What ``SAME_STEP`` says of the episodes that have just ended."""
        rows = np.flatnonzero(ended)
        observations = self._observation(rows)
        last = np.full(self.num_envs, None, dtype=object)
        for place, row in enumerate(rows.tolist()):
            last[row] = {name: values[place] for name, values in observations.items()}
        return {
            "final_obs": last,
            "_final_obs": ended.copy(),
            "final_info": self._infos(rows) | ending,
            "_final_info": ended.copy(),
        }

    def _shape(self, rewards: NDArray[np.float64], rows: Rows, ended: NDArray[np.bool_]) -> None:
        """Add ``Phi(s') - Phi(s)`` to the rewards of the episodes that were stepped in."""
        before, now = self._potential, np.zeros(self.num_envs)
        live = np.flatnonzero(~self._ended)
        if len(live):
            now[live] = self.rules.potentials(self._observation(live))
        rewards[rows] += np.where(ended, 0.0, now)[rows] - before[rows]
        self._potential = now

    def _observation(self, rows: Rows) -> Observation:
        return {
            "source": self._source[rows].astype(np.int64),
            "source_length": self._source_length[rows],
            "prefix": self._prefix[rows].astype(np.int64),
            "prefix_length": self._written[rows, None],
        }

    def _observations(self) -> Observation:
        views = {
            "source": self._source,
            "source_length": self._source_length,
            "prefix": self._prefix,
            "prefix_length": self._written[:, None],
        }
        return {name: values.astype(np.int64) for name, values in views.items()} if self._copy else views

    def _action_mask(self, rows: Rows) -> NDArray[np.int8]:
        """int8 [n,V], read-only: without a forced token all rows are one in memory."""
        shared = self._free_mask[: len(rows)]
        forced = self._forced.next_tokens(rows, self._written)
        if not forced:
            return shared
        mask = shared.copy()
        places, tokens = zip(*forced, strict=True)
        mask[[*places]] = 0
        mask[[*places], [*tokens]] = 1
        mask.flags.writeable = False
        return mask

    def _infos(self, rows: Rows) -> Infos:
        """What the scalar environment says of each of the episodes ``rows``."""
        selected = self._selection(rows)
        values = {
            "source": self._source_text[selected].copy(),
            "hypothesis": self._hypotheses.texts[selected].copy(),
            "source_index": self._source_index[selected].copy(),
            "action_mask": self._action_mask(rows),
        }
        if self.rules.sources.long_source == "truncate":
            values["source_truncated"] = self._source_truncated[selected].copy()
        infos: Infos = {}
        for name, found in values.items():
            infos |= self._info(name, found, rows)
        return infos

    def _selection(self, rows: Rows) -> Selection:
        return slice(None) if len(rows) == self.num_envs else rows

    def _info(self, name: str, values: NDArray[Any], rows: Rows) -> Infos:
        """``values`` [n] of the episodes ``rows``, under Gymnasium's names for what only some have."""
        if len(rows) == self.num_envs:
            return {name: values, f"_{name}": self._everyone.copy()}
        there = np.zeros(self.num_envs, dtype=np.bool_)
        there[rows] = True
        missing = None if values.dtype == object else 0
        array = np.full((self.num_envs, *values.shape[1:]), missing, dtype=values.dtype)
        array[rows] = values
        return {name: array, f"_{name}": there}


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
        raise TypeError(f"option 'reset_mask' is {mask!r}; give a NumPy array of bool, one an environment")
    if mask.shape != (size,) or not mask.any():
        raise ValueError(
            f"option 'reset_mask' has shape {mask.shape} and {int(mask.sum())} True; give shape ({size},) with at "
            "least one"
        )
    return mask
