from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import pytest

from agents import Seq2SeqPolicy
from experiments.datasets.behaviours import FOLDER, behaviour_names, load_behaviour, save_behaviour
from experiments.datasets.recipes import DATASETS
from seq2seq_env.tasks import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer


def test_weights_are_rounded_once(policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path) -> None:
    save_behaviour(policies[0], "one", tmp_path)
    once = load_behaviour("one", monolingual_task, tmp_path)
    save_behaviour(once, "two", tmp_path)
    twice = load_behaviour("two", monolingual_task, tmp_path)
    assert once.fingerprint == twice.fingerprint != policies[0].fingerprint
    sources = once.encode(monolingual_task.split("test").sources)
    for near, exact in zip(once.log_probs(sources, sources), policies[0].log_probs(sources, sources), strict=True):
        assert near == pytest.approx(exact, abs=0.02)


def test_a_policy_of_another_tokenizer_is_refused(
    policies: Sequence[Seq2SeqPolicy], monolingual_task: Task, tmp_path: Path
) -> None:
    save_behaviour(policies[0], "one", tmp_path)
    with pytest.raises(ValueError, match="no behaviour policy 'two'; choose one of one"):
        load_behaviour("two", monolingual_task, tmp_path)
    other = copy(monolingual_task)
    other.tokenizer = Tokenizer.from_words(["a"])
    with pytest.raises(ValueError, match="behaviour policy 'one' is of tokenizer .*, task 'monolingual' has .*; take"):
        load_behaviour("one", other, tmp_path)


def test_every_recipes_policies_are_shipped_and_small() -> None:
    assert {name for recipe in DATASETS.values() for name in recipe.policies} == set(behaviour_names())
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3_000_000
