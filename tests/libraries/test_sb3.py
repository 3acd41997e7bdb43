"""Stable-Baselines3: its checker is content with the environment, and sb3-contrib's masked PPO learns in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.wrappers import FlatObservation

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor, VecNormalize


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


@pytest.mark.usefixtures("by_id")
@pytest.mark.parametrize(
    ("algorithm", "policy", "name", "options"),
    [
        (PPO, "MultiInputPolicy", "Seq2SeqTranslate-v0", {"n_steps": 16, "batch_size": 16, "n_epochs": 1}),
        (A2C, "MultiInputPolicy", "Seq2SeqTranslate-v0", {}),
        (MaskablePPO, "MultiInputPolicy", "Seq2SeqTranslate-v0", {"n_steps": 16, "batch_size": 16, "n_epochs": 1}),
        (PPO, "MlpPolicy", "Seq2SeqTranslateFlat-v0", {"n_steps": 16, "batch_size": 16, "n_epochs": 1}),
        (DQN, "MlpPolicy", "Seq2SeqTranslateFlat-v0", {"learning_starts": 4, "buffer_size": 64}),
    ],
)
def test_an_algorithm_takes_the_id(algorithm: Any, policy: str, name: str, options: dict[str, Any]) -> None:
    """And has its environment made with pictures, as it does with every id."""
    model = algorithm(policy, name, seed=0, device="cpu", **options).learn(16)
    assert model.env.render_mode == "rgb_array"
    assert model.env.render().shape == (368, 800, 3)


class HalfScorer:
    """Goes to other processes."""

    fingerprint = "half"

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(len(sources), 0.5, dtype=np.float32)


@pytest.mark.usefixtures("by_id")
@pytest.mark.parametrize("many", [DummyVecEnv, SubprocVecEnv])
def test_environments_are_made_by_the_id_for_learners_without_masks(many: Any) -> None:
    options = {"scorer": HalfScorer(), "max_target_length": 4, "limit_terminates": True, "masked_action_penalty": 1.0}
    # a process that is spawned has none of the threads that a library may have left in ours
    how = {"start_method": "spawn"} if many is SubprocVecEnv else {}
    envs = make_vec_env(
        "Seq2SeqTranslate-v0", 2, seed=0, vec_env_cls=many, vec_env_kwargs=how, env_kwargs=options,
        monitor_kwargs={"info_keywords": ("score",)},
    )  # fmt: skip
    envs.reset()
    masked, seen = 1999, []
    for action in (2, masked, 3, 4, 5, 6):
        _, rewards, dones, infos = envs.step(np.array([action, 2]))
        seen.append(
            (rewards.tolist(), dones.tolist(), [info["episode"]["score"] for info in infos if "episode" in info])
        )
    envs.close()
    assert seen[1] == ([-1.0, 0.0], [True, False], [-1.0])
    assert seen[3] == ([0.0, 0.5], [False, True], [0.5])
    assert seen[5] == ([0.5, 0.0], [True, False], [0.5])


@pytest.mark.usefixtures("by_id")
@pytest.mark.parametrize("options", [{"norm_obs": False}, {"norm_obs_keys": ["prefix_length"]}, {}])
def test_rewards_and_observations_are_normalized(options: dict[str, Any]) -> None:
    arguments = {"masked_action_penalty": 1.0, "limit_terminates": True}
    envs = VecNormalize(make_vec_env("Seq2SeqTranslate-v0", 2, env_kwargs=arguments), **options)
    PPO("MultiInputPolicy", envs, n_steps=8, batch_size=8, n_epochs=1, device="cpu").learn(16)
    assert envs.ret_rms.count > 16


def test_a_mode_that_is_not_there_is_left_out(monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]) -> None:
    """Stable-Baselines3 asks again without a render mode where one is a TypeError."""
    monkeypatch.setattr("seq2seq_env.mdp.definition.RENDER_MODES", ("human", "ansi"))
    assert make_vec_env("Seq2SeqTranslate-v0", 1, env_kwargs=arguments).render_mode is None


def test_the_checker_is_silent_of_episodes_of_a_single_step(arguments: dict[str, Any]) -> None:
    check_env(gym.make("Seq2SeqTranslate-v0", **arguments, max_target_length=1))
