"""Stable-Baselines3: its checker is content with the environment, and sb3-contrib's masked PPO learns in it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from seq2seq_env.wrappers import FlatObservation

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor


@pytest.fixture(params=["dict", "int64", "float32"])
def shown(request: pytest.FixtureRequest, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment as it is, and flat."""
    return env if request.param == "dict" else FlatObservation(env, request.param)


def test_the_checker_is_silent(shown: gym.Env[Any, Any]) -> None:
    check_env(shown)


def test_masks_are_found_in_one_and_in_many(shown: gym.Env[Any, Any]) -> None:
    many = DummyVecEnv([lambda: shown])
    assert is_masking_supported(shown)
    assert is_masking_supported(many)
    _, info = shown.reset(seed=0)
    np.testing.assert_array_equal(get_action_masks(shown), info["action_mask"])
    np.testing.assert_array_equal(get_action_masks(many), [info["action_mask"]])


@pytest.mark.parametrize("flat", [False, True], ids=["dict", "flat"])
def test_masked_ppo_learns_to_translate(flat: bool, arguments: dict[str, Any]) -> None:
    """The mean score over 200 episodes rises; random words score some 0.12."""

    def make() -> gym.Env[Any, Any]:
        env = gym.make("Seq2SeqTranslate-v0", **arguments)
        return FlatObservation(env, np.float32) if flat else env

    episodes = VecMonitor(DummyVecEnv([make] * 8))
    policy = "MlpPolicy" if flat else "MultiInputPolicy"
    model = MaskablePPO(policy, episodes, n_steps=64, learning_rate=3e-3, gamma=1.0, seed=0, device="cpu")

    def mean_score() -> float:
        episodes.seed(7)
        return float(np.mean(evaluate_policy(model, episodes, 200, deterministic=False)[0]))

    before = mean_score()
    model.learn(4096)
    assert mean_score() > before + 0.25  # with seeds 0 to 2 it is 0.43 and more


def test_the_checker_is_silent_of_episodes_of_a_single_step(arguments: dict[str, Any]) -> None:
    check_env(gym.make("Seq2SeqTranslate-v0", **arguments, max_target_length=1))
