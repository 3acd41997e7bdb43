from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

import buffers.storage.columns
from experiments.benchmarks.planning_scale import TINY, Config, measure


@pytest.fixture(autouse=True)
def emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path))
    yield
    MemoryFileSystem.store.clear()


def test_a_made_up_store_is_opened_selected_from_and_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers.storage.columns, "CACHED_ROWS", 500)
    stages = {stage: result for stage, result, _, _ in measure(Config(**TINY, per_source=True))}
    assert (stages["manifest"], stages["what is missing"]) == ("2,000 rows", "shards [25]")
    assert 900 < int(stages["selection, R > 0.5"].split()[0].replace(",", "")) < 1_100
    assert int(stages["selection, best tenth of each source"].split()[0]) == 250  # one of each source's eight
    assert int(stages["batches of an epoch"].split()[0]) > 900 * 22 / 200
