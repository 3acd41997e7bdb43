"""Gymnasium: its checker, its wrappers and its vector environments take the environment as any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import NormalizeReward, RecordEpisodeStatistics, TimeAwareObservation, TimeLimit

from seq2seq_env.mdp.definition import UNSCORED
from seq2seq_env.wrappers import FlatObservation

ONE, EOS = 6, 0


def test_the_checker_is_silent(env: gym.Env[Any, Any]) -> None:
    check_env(env.unwrapped)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version:UserWarning")
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_the_checker_says_of_a_flat_environment_only_that_it_is_wrapped(dtype: str, env: gym.Env[Any, Any]) -> None:
    check_env(FlatObservation(env, dtype))


def test_statistics_of_an_episode_are_its_score(env: gym.Env[Any, Any]) -> None:
    counted = RecordEpisodeStatistics(env)
    counted.reset(options={"source": "eins"})
    for action in (ONE, ONE + 1, EOS):
        *_, info = counted.step(action)
    assert (info["episode"]["r"], info["episode"]["l"]) == (info["score"], 3)
    assert list(counted.return_queue) == [0.5]


def test_a_time_limit_cuts_before_the_score(env: gym.Env[Any, Any]) -> None:
    limited = TimeLimit(env, max_episode_steps=2)
    limited.reset(options={"source": "eins"})
    limited.step(ONE)
    _, reward, terminated, truncated, info = limited.step(ONE)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["score"] == UNSCORED
    limited.reset(options={"source": "eins"})
    limited.step(ONE)
    assert limited.step(EOS)[1:4] == (1.0, True, True)


@pytest.mark.parametrize(("limit", "steps"), [(None, 3), (2, 2), (5, 5)])
def test_the_time_is_a_share_of_the_length_limit(limit: int | None, steps: int, arguments: dict[str, Any]) -> None:
    env = gym.make("Seq2SeqTranslate-v0", max_target_length=limit, limit_terminates=True, **arguments)
    assert env.spec is not None
    assert env.spec.max_episode_steps == steps
    timed = TimeAwareObservation(env, flatten=False, normalize_time=True)
    timed.reset(seed=0)
    ended = [timed.step(ONE) for _ in range(steps)]
    assert [observation["time"].item() for observation, *_ in ended] == pytest.approx(
        [(step + 1) / steps for step in range(steps)]
    )
    assert [each[2:4] for each in ended] == [(False, False)] * (steps - 1) + [(True, False)]


def test_made_again_from_its_specification_it_may_go_without_a_time_limit(arguments: dict[str, Any]) -> None:
    env = gym.make("Seq2SeqTranslate-v0", max_target_length=2, limit_terminates=True, **arguments)
    assert env.spec is not None
    for made, ends in ((env.spec.make(), (True, True)), (env.spec.make(max_episode_steps=-1), (True, False))):
        made.reset(seed=0)
        made.step(ONE)
        assert made.step(ONE)[2:4] == ends
        assert made.spec is not None
        assert made.spec.max_episode_steps == 2


def test_rewards_are_normalised_around_all_others(env: gym.Env[Any, Any]) -> None:
    """The wrapper divides by the spread of discounted returns, and the score it leaves in the infos."""
    counted: gym.Env[Any, Any] = RecordEpisodeStatistics(FlatObservation(TimeLimit(env, max_episode_steps=3)))
    normalised = NormalizeReward(counted, gamma=1.0)
    for seed in range(20):
        normalised.reset(seed=seed)
        assert normalised.step(ONE)[1] == 0.0
        _, reward, terminated, _, info = normalised.step(EOS)
        assert terminated
        assert info["episode"]["r"] == info["score"]
        spread = np.sqrt(normalised.return_rms.var + normalised.epsilon)
        assert reward == pytest.approx(info["score"] / spread)
    assert normalised.get_wrapper_attr("action_masks")().sum() == 10


@pytest.mark.parametrize(
    ("mode", "wrappers"),
    [("sync", []), ("sync", [FlatObservation]), ("async", [])],
    ids=["sync-dict", "sync-flat", "async-dict"],
)
def test_a_vector_environment_is_as_many_scalar_ones(mode: str, wrappers: list[Any], arguments: dict[str, Any]) -> None:
    # a process that is spawned has none of the threads that a library imported by another test may have left in ours
    options = {"context": "spawn"} if mode == "async" else {}
    vector: Any = gym.make_vec(
        "Seq2SeqTranslate-v0",
        num_envs=2,
        vectorization_mode=mode,
        vector_kwargs=options,
        wrappers=wrappers,
        **arguments,
    )
    alone = [gym.make("Seq2SeqTranslate-v0", **arguments) for _ in range(2)]
    for wrapper in wrappers:
        alone = [wrapper(env) for env in alone]
    rng = np.random.default_rng(0)
    observations, infos = vector.reset(seed=3)
    expected: list[Any] = [env.reset(seed=3 + row) for row, env in enumerate(alone)]
    check(observations, infos, expected)
    done = [False, False]
    for _ in range(60):
        actions = rng.integers(10, size=2)
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for row, env in enumerate(alone):
            if done[row]:  # a step after the end is the next episode's reset
                observation, info = env.reset()
                wanted: tuple[float, bool, bool] = (0.0, False, False)
            else:
                observation, reward, ended, cut, info = env.step(actions[row])
                wanted = (float(reward), ended, cut)
            assert (rewards[row], terminated[row], truncated[row]) == wanted
            expected[row], done[row] = (observation, info), wanted[1] or wanted[2]
        check(observations, infos, expected)
    np.testing.assert_array_equal(vector.call("action_masks"), infos["action_mask"])
    vector.close()


@pytest.mark.usefixtures("by_id")
@pytest.mark.parametrize("dtype", [None, "int64"])
def test_the_flat_id_never_raises_and_never_truncates(dtype: str | None) -> None:
    """A program for CartPole draws any action, and looks for `final_observation` where an episode was truncated."""
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    env = gym.make("Seq2SeqTranslateFlat-v0", **options)
    assert isinstance(env.observation_space, gym.spaces.Box)
    assert env.observation_space.dtype == np.dtype(dtype or "float32")
    assert env.spec is not None
    assert env.spec.max_episode_steps == 48
    actions: Any = env.action_space
    env.reset(seed=0)
    assert env.step(np.int64(actions.n - 1))[1:4] == (-1.0, True, False)
    env.reset()
    *_, last = (env.step(ONE) for _ in range(48))
    assert last[2:4] == (True, False)
    assert last[4]["score"] == last[1]
    assert float(last[1]) >= 0
    again = gym.make(env.spec, max_episode_steps=-1)
    assert again.observation_space == env.observation_space


def test_a_video_is_recorded(env: gym.Env[Any, Any], tmp_path: Path, arguments: dict[str, Any]) -> None:
    pytest.importorskip("moviepy")
    shown = gym.make("Seq2SeqTranslate-v0", render_mode="rgb_array", **arguments)
    recorder: Any = gym.wrappers.RecordVideo(shown, str(tmp_path))
    recorder.reset(options={"source": "eins"})
    recorder.step(ONE)
    recorder.step(EOS)
    recorder.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


def check(observations: Any, infos: dict[str, Any], expected: list[Any]) -> None:
    """That a vector environment shows and tells what each scalar one does."""
    for row, (observation, info) in enumerate(expected):
        if isinstance(observation, dict):
            for name, value in observation.items():
                np.testing.assert_array_equal(observations[name][row], value)
        else:
            np.testing.assert_array_equal(observations[row], observation)
        for name, value in info.items():
            assert infos[f"_{name}"][row]
            np.testing.assert_array_equal(infos[name][row], value)
