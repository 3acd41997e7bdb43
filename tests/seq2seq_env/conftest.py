"""The phrasebook at a size that tests can afford, shared by all that read its sentences."""

from __future__ import annotations

import pytest

from seq2seq_env.tasks.phrasebook import PhrasebookTask


@pytest.fixture(scope="session")
def phrasebook() -> PhrasebookTask:
    return PhrasebookTask(train_size=1_200, validation_size=300, test_size=300)
