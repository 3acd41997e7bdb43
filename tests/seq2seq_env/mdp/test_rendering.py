"""Rendered episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Task
from seq2seq_env.mdp.rendering import Frame, render
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


def frame(source: str, hypothesis: str, score: float = -1.0) -> Frame:
    frames = render("rgb_array", [source], [hypothesis], [score])
    assert frames is not None
    [drawn] = frames
    assert isinstance(drawn, np.ndarray)
    return drawn


def test_pictures_are_of_one_size_and_show_what_the_text_does(tiny_task: Task, fake_scorer: Scorer) -> None:
    env = made(tiny_task, fake_scorer, render_mode="rgb_array")
    env.reset(options={"source": "rot"})
    pictures = [env.render()] + [env.step(token) and env.render() for token in (5, EOS)]
    for picture in pictures:
        assert isinstance(picture, np.ndarray)
        assert picture.shape == (368, 800, 3)
        assert picture.dtype == np.dtype(np.uint8)
    assert len({picture.tobytes() for picture in pictures if isinstance(picture, np.ndarray)}) == 3


def test_a_picture_depends_on_each_text() -> None:
    plain = frame("Die Fähre fährt.", "The ferry leaves.", 0.5)
    assert np.array_equal(plain, frame("Die Fähre fährt.", "The ferry leaves.", 0.5))
    for other in (
        frame("Die Fahre fährt.", "The ferry leaves.", 0.5),
        frame("Die Fähre fährt.", "The ferry leaves", 0.5),
        frame("Die Fähre fährt.", "The ferry leaves.", 0.6),
        frame("Die Fähre fährt.", "The ferry leaves."),
    ):
        assert not np.array_equal(plain, other)
    assert set(np.unique(plain)) == {0, 128, 255}


def test_letters_that_the_font_has_not_are_drawn_without_marks_or_as_question_marks() -> None:
    assert np.array_equal(frame("\u201eŁódź\u201c \u2013 č\u2026", ""), frame('"?ódz" - c...', ""))
    assert np.array_equal(frame("渡船 ä", ""), frame("?? ä", ""))


def test_of_a_long_source_the_beginning_is_drawn_and_of_a_long_hypothesis_the_end() -> None:
    words = [f"word{number}" for number in range(200)]
    source, hypothesis = " ".join(words), " ".join(words)
    assert np.array_equal(frame(source, ""), frame(source + " more", ""))
    assert not np.array_equal(frame("", hypothesis), frame("", hypothesis + " more"))
    assert frame(source, hypothesis, 1.0).shape == frame("", "").shape


@pytest.mark.parametrize("mode", ["rgb_array_list", "human"])
def test_gymnasium_collects_pictures(
    mode: str, tiny_task: Task, fake_scorer: Scorer, capsys: pytest.CaptureFixture[str]
) -> None:
    """And prints for people, who need no window."""
    env = made(tiny_task, fake_scorer, render_mode=mode)
    env.reset(options={"source": "rot"})
    env.step(EOS)
    shown: Any = env.render()
    assert (len(shown) == 2) if mode == "rgb_array_list" else (shown is None and "source" in capsys.readouterr().out)
