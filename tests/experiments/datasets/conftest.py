"""A tiny data set of two policies, made once for all tests that only read it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents import Seq2SeqPolicy
from experiments.datasets import manifest, texts
from experiments.datasets.making import Dataset, finish, write_shards
from experiments.datasets.recipes import DatasetRecipe
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import POLICY

NAME = "translation/phrasebook-lowres-mixed-v1"
RECIPE = DatasetRecipe("lowres-v1", ("one", "other"), candidates=2, sources=8, sources_per_shard=6)


@pytest.fixture(scope="session")
def policies(monolingual_task: Task) -> Sequence[Seq2SeqPolicy]:
    return [Seq2SeqPolicy.from_config(monolingual_task.tokenizer, POLICY, seed) for seed in (0, 1)]


@pytest.fixture(scope="session")
def dataset(
    monolingual_task: Task,
    fake_scorer: Any,
    policies: Sequence[Seq2SeqPolicy],
    tmp_path_factory: pytest.TempPathFactory,
) -> Dataset:
    """Nobody may change its folder."""
    folder = tmp_path_factory.mktemp("datasets") / "one"
    write_shards(folder, RECIPE, monolingual_task, fake_scorer, policies, progress=False)
    return finish(folder, NAME, RECIPE, monolingual_task)


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(dataset.folder, tmp_path / "copy"))


@pytest.fixture
def as_published(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it under its own name, published as such."""
    monkeypatch.setattr(manifest, "PUBLISHED", tmp_path / "manifests")
    monkeypatch.setattr(texts, "FOLDER", tmp_path / "texts")
    (tmp_path / "manifests").mkdir()
    published = manifest.publish(dataset.folder)
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "published" / NAME))
    shutil.copyfile(published, folder / manifest.FILE)
    return folder
