from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import Seq2SeqPolicy
from buffers import ByRank, GrowingBatchBuffer, Percentile
from experiments.datasets import making, manifest
from experiments.datasets.making import PAIRS, SAMPLES, Dataset, finish, make, opened, resolve, write_shards
from experiments.datasets.manifest import FILE
from seq2seq_env.tasks import Task
from tests.experiments.datasets.conftest import NAME, RECIPE


@dataclass
class Rank:
    """One of two processes."""

    process_index: int
    num_processes: int = 2

    def wait_for_everyone(self) -> None:
        """Nobody waits: the ranks run one after the other."""


def test_a_data_set_is_a_buffer(dataset: Dataset, monolingual_task: Task) -> None:
    buffer = GrowingBatchBuffer(dataset.folder, task=monolingual_task)
    pairs, samples = buffer.select(grow_step=PAIRS), buffer.select(grow_step=SAMPLES)
    assert pairs.is_reference.all()
    assert len(pairs) == 18
    assert len(samples) == 8 * 2 * 2
    assert np.isfinite(buffer.select().read().log_prob).all()
    assert len(buffer.select(Percentile(50), grow_step=SAMPLES)) < len(samples)


def test_two_processes_make_the_same_bytes(
    dataset: Dataset, monolingual_task: Task, fake_scorer: Any, policies: Sequence[Seq2SeqPolicy], tmp_path: Path
) -> None:
    for rank in (1, 0):
        write_shards(
            tmp_path / "again", RECIPE, monolingual_task, fake_scorer, policies, workers=ByRank(Rank(rank)),
            progress=False,
        )  # fmt: skip
    again = finish(tmp_path / "again", NAME, RECIPE, monolingual_task)
    assert again.manifest == dataset.manifest
    assert (again.folder / "README.md").read_bytes() == (dataset.folder / "README.md").read_bytes()


def test_a_published_data_set_is_known(as_published: Path) -> None:
    there = make(NAME, as_published)
    assert there is not None
    assert there.verdict.text == "the published data set, byte for byte"
    assert resolve(str(as_published)).manifest.name == NAME


def test_a_local_one_that_was_published_since_is_told_so(dataset: Dataset, as_published: Path) -> None:
    assert opened(dataset.folder).verdict.is_published


def test_a_local_one_is_called_so(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PUBLISHED", tmp_path)
    again = opened(dataset.folder, NAME)
    assert again.manifest.name.endswith("-local-v1")
    assert again.verdict.text == "nothing is published under its name: it is a local data set"
    with pytest.raises(ValueError, match="not 'translation/phrasebook-noisy-mixed-v1'"):
        make("phrasebook-noisy-mixed-v1", dataset.folder)


def test_one_process_of_several_tells_of_the_data_set(
    dataset: Dataset, monolingual_task: Task, fake_scorer: Any, policies: Sequence[Seq2SeqPolicy], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shipped = dict(zip(RECIPE.policies, policies, strict=True))
    monkeypatch.setattr(monolingual_task, "default_scorer", "fake")
    monkeypatch.setattr(making, "recipe_of", lambda name: RECIPE)
    monkeypatch.setattr(making, "load_task", lambda name, **options: monolingual_task)
    monkeypatch.setattr(making, "load_behaviour", lambda name, task: shipped[name])
    monkeypatch.setattr(making, "load_scorer", lambda name, task: fake_scorer)
    with monkeypatch.context() as others:
        others.delattr(manifest, "describe")  # which reads every shard
        assert make(NAME, tmp_path, is_writer=False, progress=False) is None
    assert not (tmp_path / FILE).exists()
    made = make(NAME, tmp_path, progress=False)
    assert made is not None
    assert made.manifest.shards == dataset.manifest.shards
    assert make(NAME, tmp_path, is_writer=False) is None


@pytest.mark.parametrize("local", ["", "-local"])
def test_a_version_that_is_no_longer_made_is_refused(local: str, dataset: Dataset, copy: Path) -> None:
    replace(dataset.manifest, name=f"translation/phrasebook-noisy-mixed{local}-v0").write(copy / FILE)
    why = "no data set 'translation/phrasebook-noisy-mixed-v0'; this release makes .*-noisy-mixed-v1$"
    for read in (opened, lambda folder: resolve(str(folder))):
        with pytest.raises(ValueError, match=why):
            read(copy)
