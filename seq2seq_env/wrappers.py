"""Wrappers of the environment for other libraries of reinforcement learning.

Shape letters: S longest source, T length limit of a target, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import DTypeLike, NDArray

from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.mdp.definition import Observation


class FlatObservation(gym.ObservationWrapper[NDArray[Any], np.int64, Observation], RecordConstructorArgs):
    """Shows the observation as one row of token ids, as ``buffers.to_d3rlpy`` lays out the buffer.

    A row [S + T - 1] is the source, padded to S, then the prefix, padded to T - 1, the longest that is acted on; the
    padding tells their lengths. The observation after T tokens, the last of an episode, shows the first T - 1 of them:
    there is nothing left to decide, and no library learns from it. Actions, rewards, infos and masks are the
    environment's own.

    ```python
    >>> import gymnasium as gym
    >>> from seq2seq_env.wrappers import FlatObservation
    >>> env = FlatObservation(gym.make("Seq2SeqTranslate-v0"))
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, observation.dtype
    ((95,), dtype('int64'))

    ```

    Args:
        env: A ``Seq2SeqTranslateEnv``, wrapped or not, that still shows its ``source`` and ``prefix``.
        dtype: Of the row. Libraries that embed tokens take integers; ``np.float32`` is for those that feed a policy
            with numbers, the ids being what they read.

    Raises:
        ValueError: If the environment shows something else, or ``dtype`` does not hold each of the V ids exactly.
        TypeError: If NumPy knows no such ``dtype``.
    """

    def __init__(self, env: gym.Env[Observation, np.int64], dtype: DTypeLike = np.int64) -> None:
        self._dtype = np.dtype(dtype)
        # by its name, so that the specification of the wrapped environment can be written as JSON
        RecordConstructorArgs.__init__(self, dtype=self._dtype.name)
        gym.ObservationWrapper.__init__(self, env)
        source, prefix = _boxes(env.observation_space)
        largest = int(prefix.high.max())
        if _exact_up_to(self._dtype) < largest:
            raise ValueError(
                f"dtype {self._dtype.name} does not hold every token id up to {largest} exactly; give np.int64"
            )
        length = source.shape[0] + prefix.shape[0] - 1
        self.observation_space = spaces.Box(0, largest, shape=(length,), dtype=self._dtype.type)

    def observation(self, observation: Observation) -> NDArray[Any]:
        """Source and prefix as one row [S + T - 1] of ``dtype``."""
        row = np.concatenate([observation["source"], observation["prefix"][:-1]])
        return row.astype(self._dtype, copy=False)

    def action_masks(self) -> NDArray[np.bool_]:
        """``[V]`` bool, true where a token is allowed, under the name that sb3-contrib looks for."""
        masks: NDArray[np.bool_] = self.env.get_wrapper_attr("action_masks")()
        return masks


def flat_translate_env(
    dtype: DTypeLike = np.float32,
    *,
    limit_terminates: bool = True,
    masked_action_penalty: float | None = 1.0,
    **arguments: Any,
) -> FlatObservation:
    """``Seq2SeqTranslateFlat-v0``: one box of numbers, for learners that take no ``Dict`` and know no masks.

    It is :class:`seq2seq_env.env.Seq2SeqTranslateEnv` in a :class:`FlatObservation`, with defaults that let a program
    for CartPole run: a masked token costs 1 instead of raising, and the length limit terminates.

    ```python
    >>> import gymnasium as gym
    >>> import seq2seq_env
    >>> env = gym.make("Seq2SeqTranslateFlat-v0")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, observation.dtype
    ((95,), dtype('float32'))

    ```

    Args:
        dtype: Of the row; ``np.int64`` for learners that embed tokens.
        limit_terminates: As of the environment.
        masked_action_penalty: As of the environment.
        **arguments: The environment's others.

    Raises:
        ValueError: If an argument is out of range or names something unknown.
        TypeError: If an argument has the wrong type, or there is none of a name.
    """
    env = Seq2SeqTranslateEnv(
        limit_terminates=limit_terminates, masked_action_penalty=masked_action_penalty, **arguments
    )
    return FlatObservation(env, dtype)


def _boxes(space: spaces.Space[Any]) -> tuple[spaces.Box, spaces.Box]:
    """Where source and prefix are shown."""
    if isinstance(space, spaces.Dict):
        source, prefix = space.spaces.get("source"), space.spaces.get("prefix")
        if isinstance(source, spaces.Box) and isinstance(prefix, spaces.Box):
            return source, prefix
    raise ValueError(f"the environment shows {space}, no source and prefix; wrap Seq2SeqTranslate-v0 before others do")


def _exact_up_to(dtype: np.dtype[Any]) -> int:
    """The number up to which a type holds all natural numbers, below 0 if it is not for numbers."""
    if np.issubdtype(dtype, np.integer):
        return int(np.iinfo(dtype).max)
    if np.issubdtype(dtype, np.floating):
        return int(2 ** (np.finfo(dtype).nmant + 1))
    return -1
