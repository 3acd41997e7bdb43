"""A task of single words, which a library learns in seconds."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import gymnasium as gym
import pytest

import seq2seq_env  # noqa: F401 -- registers the environment
from seq2seq_env.scorers import SCORERS, sharing
from seq2seq_env.tasks.task import SPLITS, Split
from seq2seq_env.tokenization.tokenizer import Tokenizer
from tests.conftest import ENGLISH, GERMAN, OverlapScorer, TinyTask
from tests.digest_scorer import Digest


class WordTask(TinyTask):
    """Four words: 'zwei' is 'two'. Its splits are one, for the question is whether a library learns at all."""

    name = "words"
    fingerprint = "words-1"
    max_source_length = 2
    max_target_length = 3

    def __init__(self) -> None:
        sources, references = GERMAN[:4], ENGLISH[:4]
        self._splits = {name: Split(name, sources, references) for name in SPLITS}
        self.known = dict(zip(sources, references, strict=True))
        self.tokenizer = Tokenizer.from_words(sources + references)


@pytest.fixture(scope="session")
def words() -> WordTask:
    return WordTask()


@pytest.fixture(scope="session")
def arguments(words: WordTask) -> dict[str, Any]:
    """What ``gym.make`` is told."""
    return {"task": words, "scorer": OverlapScorer(words)}


@pytest.fixture
def by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments made by their id alone get a scorer that costs nothing, and leave it to no other test."""
    monkeypatch.setattr(sharing, "_SHARED", WeakValueDictionary())
    monkeypatch.setitem(SCORERS, "phrasebook-qe", lambda device: Digest())


@pytest.fixture
def env(arguments: dict[str, Any]) -> gym.Env[Any, Any]:
    """As a user makes it, with Gymnasium's own wrappers around it."""
    made = gym.make("Seq2SeqTranslate-v0", **arguments)
    made.action_space.seed(0)
    return made
