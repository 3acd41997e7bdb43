"""Tokens, masks and observations of many episodes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from gymnasium.error import InvalidAction
from gymnasium.vector import AutoresetMode

from seq2seq_env import Scorer, Task
from tests.seq2seq_env.episodes import PAD, native, scalars


def test_what_is_returned_may_be_changed(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 2)
    observations, infos = envs.reset(options={"source_index": 3})
    infos["hypothesis"][:] = infos["source_text"][:] = "spoilt"
    observations["prefix"][:] = observations["source"][:] = 5
    infos["source_index"][:] = 9
    red = 2 + 8 + 3
    observations, _, _, _, infos = envs.step(np.array([red, red]))
    assert infos["hypothesis"].tolist() == ["red", "red"]
    assert infos["source_index"].tolist() == [3, 3]
    assert observations["prefix"][0].tolist() == [red] + [PAD] * 11
    with pytest.raises(ValueError, match="read-only"):
        infos["action_mask"][:] = 0


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([2, 2, PAD], "token 18 of episode 2 is masked"),
        ([2, 19, 2], "token 19 of episode 1 is not in the vocabulary; give 0..18"),
        ([-1, 2, 2], "token -1 of episode 0 is not in the vocabulary"),
        ([2, 2], "actions are int64 of shape (2,); give 3 integers"),
        ([2.0, 2.0, 2.0], "actions are float64 of shape (3,); give 3 integers"),
    ],
)
def test_bad_actions_are_refused_and_change_nothing(
    tiny_task: Task, fake_scorer: Scorer, actions: list[Any], message: str
) -> None:
    envs = native(tiny_task, fake_scorer, 3)
    envs.reset(seed=0)
    with pytest.raises(InvalidAction, match=re.escape(message)):
        envs.step(np.array(actions))
    assert envs.step(np.full(3, 2))[0]["prefix_length"].tolist() == [[1], [1], [1]]


def test_sampled_actions_are_legal(tiny_task: Task, fake_scorer: Scorer) -> None:
    for envs in (native(tiny_task, fake_scorer, 50), scalars(tiny_task, fake_scorer, 50, AutoresetMode.SAME_STEP)):
        envs.action_space.seed(0)
        drawn = np.concatenate([envs.action_space.sample() for _ in range(50)])
        assert set(drawn.tolist()) == set(range(PAD))
        assert envs.action_space.sample() in envs.action_space


def test_without_copies_the_next_step_overwrites(tiny_task: Task, fake_scorer: Scorer) -> None:
    envs = native(tiny_task, fake_scorer, 2, copy=False)
    observation, _ = envs.reset(seed=0)
    envs.step(np.full(2, 3))
    assert observation["prefix"][:, 0].tolist() == [3, 3]
