"""The phrasebook at a size that tests can afford, and the environment of the tiny task."""

from __future__ import annotations

import pytest

from seq2seq_env import Scorer, Seq2SeqTranslateEnv, Task
from seq2seq_env.tasks.phrasebook import PhrasebookTask


@pytest.fixture(scope="session")
def phrasebook() -> PhrasebookTask:
    return PhrasebookTask(regime="noisy-v1", train_size=1_200, validation_size=300, test_size=300)


@pytest.fixture
def env(tiny_task: Task, fake_scorer: Scorer) -> Seq2SeqTranslateEnv:
    return Seq2SeqTranslateEnv(tiny_task, fake_scorer)
