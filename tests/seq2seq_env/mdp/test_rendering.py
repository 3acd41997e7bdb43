"""Rendered episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Task
from tests.seq2seq_env.episodes import EOS, word


def made(task: Task, scorer: Scorer, **options: Any) -> gym.Env[Any, Any]:
    return gym.make("Seq2SeqTranslate-v0", task=task, scorer=scorer, **options)


def test_ansi_shows_source_hypothesis_and_score(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, render_mode="ansi")
    env.reset(options={"source": "rot"})
    env.step(word(env, "red"))
    assert env.render() == "source      rot\nhypothesis  red\n"
    env.step(EOS)
    assert env.render() == "source      rot\nhypothesis  red\nscore       1.000\n"
    env.reset(options={"source": "blau"})
    assert env.render() == "source      blau\nhypothesis  \n"


def test_human_prints_each_step(tiny_task: Task, fake_scorer: Scorer, capsys: pytest.CaptureFixture[str]) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer, render_mode="human")
    env.reset(options={"source": "rot"})
    env.step(EOS)
    assert capsys.readouterr().out.split() == [
        "source",
        "rot",
        "hypothesis",
        "source",
        "rot",
        "hypothesis",
        "score",
        "0.000",
    ]
    assert env.render() is None


def test_render_without_a_mode_warns(env: Seq2SeqTranslateEnv) -> None:
    env.reset()
    with pytest.warns(UserWarning, match="without a render mode"):
        assert env.render() is None
