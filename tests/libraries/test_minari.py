"""Minari: its collector records the environment, and its loader gives the episodes and the environment back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from buffers import from_minari
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.mdp.definition import UNSCORED
from seq2seq_env.wrappers import FlatObservation
from tests.conftest import OverlapScorer
from tests.libraries.conftest import WordTask

minari = pytest.importorskip("minari")

pytestmark = pytest.mark.filterwarnings(
    # the collector drops its temporary folder without closing it
    "ignore:Implicitly cleaning up:ResourceWarning"
)
ABOUT = dict.fromkeys(("algorithm_name", "author", "author_email", "code_permalink", "description"), "test")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def recorded(
    env: gym.Env[Any, Any], episodes: int, **options: Any
) -> tuple[Any, list[tuple[list[Any], list[int], list[float]]]]:
    """The data set of random episodes, loaded, and their observations, actions and rewards."""
    collector = minari.DataCollector(env, **options)
    seen = []
    for seed in range(episodes):
        observation, _ = collector.reset(seed=seed)
        observations, actions, rewards, done = [observation], [], [], False
        while not done:
            actions.append(int(env.action_space.sample()))
            observation, reward, terminated, truncated, _ = collector.step(actions[-1])
            observations.append(observation)
            rewards.append(float(reward))
            done = terminated or truncated
        seen.append((observations, actions, rewards))
    collector.create_dataset("words/random-v0", eval_env=env, **ABOUT)
    collector._tmp_dir.cleanup()  # close() would leave the object to warn, in whichever test it is collected
    return minari.load_dataset("words/random-v0"), seen


def words_env(max_target_length: int, limit_terminates: bool = False) -> Seq2SeqTranslateEnv:
    words = WordTask()
    return Seq2SeqTranslateEnv(
        words, OverlapScorer(words), max_target_length=max_target_length, limit_terminates=limit_terminates
    )


@pytest.fixture
def named() -> Iterator[gym.Env[Any, Any]]:
    """Made by a name, which is what Minari can write down; its random episodes end in both ways."""
    gym.register("Words-v0", entry_point=f"{__name__}:words_env")  # a function could not be written down
    env = gym.make("Words-v0", max_target_length=2)
    env.action_space.seed(1)
    yield env
    del gym.registry["Words-v0"]


@pytest.mark.parametrize("dtype", [None, "int64", "float32"])
def test_what_is_collected_is_loaded(dtype: str | None, named: gym.Env[Any, Any]) -> None:
    env = named if dtype is None else FlatObservation(named, dtype)
    dataset, seen = recorded(env, 12)
    assert dataset.observation_space == env.observation_space
    for episode, (observations, actions, rewards) in zip(dataset.iterate_episodes(), seen, strict=True):
        if dtype is None:
            for name, values in episode.observations.items():
                np.testing.assert_array_equal(values, [observation[name] for observation in observations])
        else:
            assert episode.observations.dtype == dtype
            np.testing.assert_array_equal(episode.observations, observations)
        np.testing.assert_array_equal(episode.actions, actions)
        np.testing.assert_array_equal(episode.rewards, rewards)

    again = dataset.recover_environment()
    assert again.observation_space == env.observation_space
    assert data_equivalence(again.reset(seed=0)[0], seen[0][0][0], exact=True)


def test_what_is_collected_becomes_trajectories(named: gym.Env[Any, Any]) -> None:
    dataset, seen = recorded(named, 12)
    found = from_minari(dataset)
    assert found.tokens.tolist() == [action for _, actions, _ in seen for action in actions]
    assert found.reward.tolist() == [rewards[-1] for *_, rewards in seen]
    assert found.terminated.tolist() == [actions[-1] == 0 for _, actions, _ in seen]
    assert set(found.terminated) == {True, False}


def test_a_task_without_a_name_is_collected_with_a_warning(env: gym.Env[Any, Any]) -> None:
    """The data set is whole; its environment has to be made by hand."""
    with pytest.warns(UserWarning, match="Object of type WordTask is not JSON serializable"):
        collector = minari.DataCollector(env)
    collector.close()
    collector._tmp_dir.cleanup()


def test_a_limit_that_terminates_is_no_end_of_sequence(named: gym.Env[Any, Any]) -> None:
    terminating = gym.make("Words-v0", max_target_length=2, limit_terminates=True)
    terminating.action_space.seed(1)
    dataset, seen = recorded(terminating, 12)
    found = from_minari(dataset, eos_id=0)
    assert found.terminated.tolist() == [actions[-1] == 0 for _, actions, _ in seen]
    assert set(found.terminated) == {True, False}


def test_infos_are_recorded_beside_observations(named: gym.Env[Any, Any]) -> None:
    dataset, seen = recorded(named, 4, record_infos=True)
    for episode, (observations, _, rewards) in zip(dataset.iterate_episodes(), seen, strict=True):
        steps = len(rewards)
        assert episode.infos["score"].tolist() == [UNSCORED] * steps + rewards[-1:]
        assert len(episode.infos["source_text"]) == len(episode.infos["hypothesis"]) == steps + 1
        assert episode.infos["action_mask"].shape == (steps + 1, 11)
        np.testing.assert_array_equal(episode.observations["source"][0], observations[0]["source"])
