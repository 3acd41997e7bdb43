"""Files that tasks are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.seq2seq_env.tasks.corpora.tiny_files import TEST, TRAIN, VALIDATION, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem, pairs in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        write(tmp_path, stem, pairs)
    return tmp_path
