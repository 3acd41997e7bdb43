from __future__ import annotations

import doctest
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction
from gymnasium.utils.env_checker import data_equivalence

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Task, wrappers
from seq2seq_env.wrappers import FlatObservation, flat_translate_env
from tests.pickling import sent

PAD = 18  # of the tiny task


@pytest.fixture
def env(tiny_task: Task, fake_scorer: Scorer) -> Seq2SeqTranslateEnv:
    return Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=4)


def test_a_row_is_the_source_and_then_the_prefix(env: Seq2SeqTranslateEnv) -> None:
    flat = FlatObservation(env)
    assert flat.observation_space == gym.spaces.Box(0, PAD, shape=(15,), dtype=np.int64)
    observation, info = flat.reset(options={"source": "rot haus"})
    source = env.tokenizer.encode(["rot haus"])[0] + [PAD] * 9
    assert observation.tolist() == source + [PAD] * 3
    assert info["source_text"] == "rot haus"
    assert flat.step(np.int64(7))[0].tolist() == [*source, 7, PAD, PAD]
    assert flat.step(np.int64(8))[0].tolist() == [*source, 7, 8, PAD]


def test_after_the_longest_target_its_last_token_is_not_shown(env: Seq2SeqTranslateEnv) -> None:
    flat = FlatObservation(env)
    flat.reset(options={"source": "rot"})
    for token in (7, 8, 9):
        flat.step(np.int64(token))
    observation, _, terminated, truncated, _ = flat.step(np.int64(10))
    assert (terminated, truncated) == (False, True)
    assert observation[-3:].tolist() == [7, 8, 9]
    assert observation in flat.observation_space


def test_a_limit_of_one_token_shows_the_source_alone(tiny_task: Task, fake_scorer: Scorer) -> None:
    flat = FlatObservation(Seq2SeqTranslateEnv(tiny_task, fake_scorer, max_target_length=1))
    observation, _ = flat.reset(options={"source": "rot"})
    assert observation.shape == (12,)
    assert data_equivalence(flat.step(np.int64(7))[0], observation, exact=True)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, "int8", "uint8", np.float32, "float64", "float16"])
def test_a_row_is_of_the_type_asked_for(dtype: Any, env: Seq2SeqTranslateEnv) -> None:
    flat = FlatObservation(env, dtype)
    observation, _ = flat.reset(seed=0)
    assert observation.dtype == flat.observation_space.dtype == np.dtype(dtype)
    assert observation in flat.observation_space
    np.testing.assert_array_equal(observation, FlatObservation(env).reset(seed=0)[0])


def shows(largest: int) -> gym.Env[Any, Any]:
    """An environment with a vocabulary of any size."""
    env: gym.Env[Any, Any] = gym.Env()
    box = gym.spaces.Box(0, largest, shape=(2,), dtype=np.int64)
    env.observation_space = gym.spaces.Dict({"source": box, "prefix": box})
    return env


@pytest.mark.parametrize(
    ("dtype", "largest"), [("int8", 127), ("uint8", 255), ("int16", 2**15 - 1), ("float16", 2**11), ("float32", 2**24)]
)
def test_a_type_is_refused_from_the_first_id_it_cannot_hold(dtype: str, largest: int) -> None:
    FlatObservation(shows(largest), dtype)
    message = f"dtype {dtype} does not hold every token id up to {largest + 1} exactly; give np.int64"
    with pytest.raises(ValueError, match=re.escape(message)):
        FlatObservation(shows(largest + 1), dtype)


@pytest.mark.parametrize("dtype", [bool, complex, str, object, "datetime64[s]"])
def test_a_type_that_is_not_for_numbers_is_refused(dtype: Any, env: Seq2SeqTranslateEnv) -> None:
    with pytest.raises(ValueError, match="does not hold every token id up to 18 exactly"):
        FlatObservation(env, dtype)


def test_another_environment_is_refused(env: Seq2SeqTranslateEnv) -> None:
    with pytest.raises(ValueError, match=re.escape("shows Box(0, 18, (15,), int64), no source and prefix; wrap")):
        FlatObservation(FlatObservation(env))  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="no source and prefix"):
        FlatObservation(gym.wrappers.FilterObservation(env, ["source"]))


def test_the_flat_id_takes_the_arguments_of_the_environment(tiny_task: Task, fake_scorer: Scorer) -> None:
    flat = flat_translate_env(task=tiny_task, scorer=fake_scorer, max_target_length=2, render_mode="ansi")
    assert flat.observation_space == gym.spaces.Box(0, PAD, shape=(13,), dtype=np.float32)
    flat.reset(options={"source": "rot"})
    assert flat.step(np.int64(PAD))[1:4] == (-1.0, True, False)
    flat.reset(options={"source": "rot"})
    flat.step(np.int64(7))
    assert flat.step(np.int64(8))[2:4] == (True, False)
    assert "source      rot" in str(flat.render())
    strict = flat_translate_env(
        np.int64, task=tiny_task, scorer=fake_scorer, limit_terminates=False, masked_action_penalty=None
    )
    assert strict.reset(seed=0)[0].dtype == np.int64
    with pytest.raises(InvalidAction):
        strict.step(np.int64(PAD))


def test_masks_are_those_of_the_environment(env: Seq2SeqTranslateEnv) -> None:
    flat = FlatObservation(gym.wrappers.OrderEnforcing(env))
    np.testing.assert_array_equal(flat.action_masks(), env.action_masks())
    limited = gym.wrappers.TimeLimit(flat, 3)
    np.testing.assert_array_equal(limited.get_wrapper_attr("action_masks")(), env.action_masks())


def test_a_pickled_episode_goes_on_the_same(env: Seq2SeqTranslateEnv) -> None:
    flat = FlatObservation(env, np.float32)
    flat.reset(seed=1)
    flat.step(np.int64(3))
    copy = sent(flat)
    assert data_equivalence(flat.step(np.int64(0)), copy.step(np.int64(0)), exact=True)
    assert data_equivalence(flat.reset(), copy.reset(), exact=True)


def test_its_specification_survives_json_and_makes_it_again(tiny_task: Task, fake_scorer: Scorer) -> None:
    spec = FlatObservation(gym.make("Seq2SeqTranslate-v0", split="test"), np.float32).spec
    assert spec is not None
    read = EnvSpec.from_json(spec.to_json())
    assert read.additional_wrappers == spec.additional_wrappers
    again = gym.make(read, task=tiny_task, scorer=fake_scorer)
    assert isinstance(again, FlatObservation)
    assert again.observation_space == gym.spaces.Box(0, PAD, shape=(23,), dtype=np.float32)


def test_the_documented_examples_run() -> None:
    examples = [t for t in doctest.DocTestFinder().find(wrappers) if t.examples]
    results = [doctest.DocTestRunner().run(example) for example in examples]
    assert [(result.attempted, result.failed) for result in results] == [(5, 0)] * 2
