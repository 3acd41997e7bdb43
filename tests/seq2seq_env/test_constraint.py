"""Constraints: a vocabulary, a beginning, and what they mask."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.error import InvalidAction

from seq2seq_env import Constraint, Scorer, Seq2SeqTranslateEnv, Task
from tests.seq2seq_env.episodes import EOS, PAD, word


def test_a_constraint_masks_its_vocabulary_and_its_beginning(tiny_task: Task, fake_scorer: Scorer) -> None:
    constraint = Constraint.from_text(tiny_task.tokenizer, ["red blue house"], prefix="two red")
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, constraint=constraint)
    two, red, blue, house = (word(env, text) for text in ("two", "red", "blue", "house"))
    _, info = env.reset(options={"source": "zwei rot haus"})
    assert np.flatnonzero(info["action_mask"]).tolist() == [two]
    with pytest.raises(InvalidAction, match=f"token {red} is masked"):
        env.step(red)
    info = env.step(two)[4]
    assert np.flatnonzero(env.action_masks()).tolist() == [red]
    info = env.step(red)[4]
    assert set(np.flatnonzero(info["action_mask"])) == {EOS, red, blue, house}
    with pytest.raises(InvalidAction, match="is masked"):
        env.step(two)
    env.action_space.seed(0)
    assert {int(env.action_space.sample()) for _ in range(100)} == {EOS, red, blue, house}
    env.step(house)
    assert env.step(EOS)[1] == 1.0


def test_an_episode_may_have_a_beginning_of_its_own(env: Seq2SeqTranslateEnv) -> None:
    red = word(env, "red")
    _, info = env.reset(options={"source": "rot", "target_prefix": "red"})
    assert np.flatnonzero(info["action_mask"]).tolist() == [red]
    env.step(red)
    assert env.action_masks().sum() == PAD
    assert env.reset(options={"source": "rot"})[1]["action_mask"].sum() == PAD


def test_a_text_that_nobody_can_write_is_no_constraint(env: Seq2SeqTranslateEnv) -> None:
    for call in (
        lambda: env.reset(options={"target_prefix": "red xyzzy"}),
        lambda: Constraint.from_text(env.tokenizer, prefix="xyzzy"),
        lambda: Constraint.from_text(env.tokenizer, ["red", "xyzzy"]),
    ):
        with pytest.raises(ValueError, match="the tokenizer does not know all of"):
            call()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (
            Constraint(frozenset({19})),
            "vocabulary holds token 19, which cannot be written there; give ids below 19",
        ),
        (Constraint(prefix=(PAD,)), "prefix holds token 18"),
        (Constraint(prefix=(2, EOS)), "prefix holds token 0"),
        (Constraint(prefix=(2,) * 12), "prefix has 12 tokens and the length limit is 12"),
    ],
)
def test_an_impossible_constraint_is_refused(
    tiny_task: Task, fake_scorer: Scorer, constraint: Constraint, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Seq2SeqTranslateEnv(tiny_task, fake_scorer, constraint=constraint)
