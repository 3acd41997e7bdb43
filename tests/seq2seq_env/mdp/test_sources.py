"""Sources that are longer than the task takes: what of them is shown, and scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import seq2seq_env  # noqa: F401  # registers the environments
from seq2seq_env import Seq2SeqTranslateEnv, Task, load_task
from seq2seq_env.mdp.sources import Sources
from tests.seq2seq_env.episodes import EOS, CountingScorer, native, word


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rot haus", "rot haus"),
        ("rot " * 11, "rot " * 11),  # as it was written, where all of it is shown
        ("rot " * 12, " ".join(["rot"] * 11)),
        ("unbekannt " + "rot " * 20, " ".join(["unbekannt", *["rot"] * 10])),  # one token, which decodes to nothing
    ],
)
def test_of_a_truncated_source_the_text_is_what_the_tokens_hold(tiny_task: Task, text: str, shown: str) -> None:
    rows = Sources(tiny_task, "train", "truncate").free_text(text)
    assert (rows.texts.tolist(), rows.shown.tolist()) == ([text], [shown])
    assert tiny_task.tokenizer.encode([shown])[0] == rows.tokens[0, : rows.lengths[0]].tolist()


def test_what_surrounds_a_source_takes_its_room(pretrained_task: Callable[[str], Task]) -> None:
    task = pretrained_task("mbart")  # with a code and an end
    rows = Sources(task, "train", "truncate").free_text("eins rot haus " * 12)
    [whole] = task.tokenizer.encode(rows.shown.tolist())
    assert len(whole) == task.max_source_length
    assert whole == rows.tokens[0].tolist()


def test_without_spaces_the_text_ends_between_characters() -> None:
    task = load_task("phrasebook-de-en", train_size=20, source_only_size=0, validation_size=5, test_size=5)
    text = "Donaudampfschifffahrt" * 20
    rows = Sources(task, "train", "truncate").free_text(text)
    [shown] = rows.shown
    assert text.startswith(shown)
    assert task.max_source_length - 5 <= len(task.tokenizer.encode([shown])[0]) <= task.max_source_length


def test_scorers_get_what_the_observation_shows(tiny_task: Task) -> None:
    long, shown, own, other = "rot " * 20, " ".join(["rot"] * 11), CountingScorer(), CountingScorer()
    arguments: dict[str, Any] = {"long_source": "truncate", "info_scorers": {"other": other}}
    env = Seq2SeqTranslateEnv(tiny_task, own, **arguments)
    env.reset(options={"source": long})
    env.step(word(env, "red"))
    assert env.step(EOS)[4]["source_text"] == long
    assert own.calls == other.calls == [([shown], ["red"])]
    envs = native(tiny_task, own, 2, **arguments)
    envs.reset(options={"source": ["blau", long]})
    infos = envs.step(np.array([EOS, EOS]))[4]
    assert infos["source_text"].tolist() == ["blau", long]
    assert own.calls[1:] == other.calls[1:] == [(["blau", shown], ["", ""])]


def test_the_default_scorer_has_room_for_what_is_shown() -> None:
    task = load_task("phrasebook-de-en", train_size=20, source_only_size=0, validation_size=5, test_size=5)
    env = gym.make("Seq2SeqTranslate-v0", task=task, long_source="truncate")
    env.reset(options={"source": "Die nächste Fähre fährt heute Abend ab. " * 60})
    _, reward, terminated, _, info = env.step(task.tokenizer.eos_id)
    assert terminated
    assert reward == info["score"] >= 0
