"""TorchRL: its checker is content with the environment, and its random policy keeps to the mask."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import InvalidAction

from seq2seq_env.wrappers import FlatObservation
from tests.libraries.conftest import WordTask

pytest.importorskip("torchrl")

from torchrl.data import Binary
from torchrl.envs import (
    ActionMask,
    GymEnv,
    GymWrapper,
    ParallelEnv,
    SerialEnv,
    TransformedEnv,
    check_env_specs,
    default_info_dict_reader,
)


def with_mask(env: Any) -> Any:
    """With the mask of the infos beside the observation."""
    mask = Binary(env.action_spec.space.n, dtype=torch.int8)
    env.set_info_dict_reader(default_info_dict_reader(["action_mask"], spec=[mask]))
    return env


def masked(env: Any) -> Any:
    """Random actions are drawn by the mask."""
    return TransformedEnv(with_mask(env), ActionMask())


@pytest.mark.parametrize("flat", [False, True], ids=["dict", "flat"])
@pytest.mark.parametrize("categorical", [False, True], ids=["one-hot", "categorical"])
def test_the_checker_is_content(flat: bool, categorical: bool, env: gym.Env[Any, Any]) -> None:
    shown = FlatObservation(env) if flat else env
    check_env_specs(masked(GymWrapper(shown, categorical_action_encoding=categorical)))


def test_a_rollout_keeps_to_the_mask(arguments: dict[str, Any], words: WordTask) -> None:
    env = masked(GymEnv("Seq2SeqTranslate-v0", categorical_action_encoding=True, **arguments))
    env.set_seed(0)
    torch.manual_seed(0)
    steps = env.rollout(400, break_when_any_done=False)
    assert torch.equal(steps["action"].unique(), torch.arange(words.tokenizer.pad_id))
    assert bool((steps["action_mask"].gather(1, steps["action"][:, None]) == 1).all())

    ends = np.flatnonzero(steps["next", "done"].numpy())
    assert len(ends) > 100
    sources = words.tokenizer.decode(steps["source"].numpy()[ends])
    hypotheses = words.tokenizer.decode(
        prefix[:length]
        for prefix, length in zip(
            steps["next", "prefix"].numpy()[ends], steps["next", "prefix_length"].numpy()[ends, 0], strict=True
        )
    )
    rewards = steps["next", "reward"].numpy()[:, 0]
    np.testing.assert_array_equal(rewards[ends], arguments["scorer"].score(sources, hypotheses))
    assert not np.delete(rewards, ends).any()


def test_without_the_mask_padding_is_written(env: gym.Env[Any, Any]) -> None:
    """What the test above would not show if TorchRL sampled as the environment's action space does."""
    torch.manual_seed(0)
    with pytest.raises(InvalidAction, match="token 10 is masked"):
        GymWrapper(env).rollout(400, break_when_any_done=False)


@pytest.mark.parametrize("kind", [SerialEnv, ParallelEnv])
def test_several_environments_keep_to_their_masks(kind: Any, arguments: dict[str, Any]) -> None:
    def make() -> Any:
        return with_mask(GymEnv("Seq2SeqTranslate-v0", categorical_action_encoding=True, **arguments))

    envs = TransformedEnv(kind(2, make), ActionMask())
    torch.manual_seed(0)
    steps = envs.rollout(40, break_when_any_done=False)
    envs.close()
    assert steps.batch_size == (2, 40)
    assert bool((steps["action_mask"].gather(2, steps["action"][..., None]) == 1).all())
    assert bool(steps["next", "done"].any(1).all())
