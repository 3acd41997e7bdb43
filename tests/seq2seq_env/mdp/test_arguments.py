"""Names that are no arguments."""

from __future__ import annotations

import re

import gymnasium as gym
import pytest

from seq2seq_env.mdp.arguments import refuse_unknown


def make(split: str, *others: int, task_seed: int = 0, **unknown: int) -> None: ...


@pytest.mark.parametrize(
    ("unknown", "sentence"),
    [
        (["slpit"], "it has no argument 'slpit'; did you mean 'split'? (unexpected keyword argument 'slpit')"),
        (["tsk_seed", "x"], "it has no argument 'tsk_seed'; did you mean 'task_seed'?"),
        (
            ["frameskip"],
            "no argument 'frameskip'; choose from split, task_seed (unexpected keyword argument 'frameskip')",
        ),
        (["others"], "it has no argument 'others'; choose from split, task_seed"),
    ],
)
def test_the_name_that_may_have_been_meant_is_named(unknown: list[str], sentence: str) -> None:
    with pytest.raises(TypeError, match=re.escape(sentence)):
        refuse_unknown(unknown, make, "it")


def test_without_unknown_names_nothing_is_refused() -> None:
    refuse_unknown({}, make, "it")


@pytest.mark.parametrize("name", ["Seq2SeqTranslate-v0", "Seq2SeqTranslateFlat-v0"])
def test_gymnasium_hands_the_sentence_on(name: str) -> None:
    with pytest.raises(TypeError, match=r"^the environment has no argument 'slpit'; did you mean 'split'\?"):
        gym.make(name, slpit="test")
