"""What a data set's card says of trained policies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.datasets import results
from experiments.datasets.making import Dataset
from experiments.datasets.manifest import Manifest
from experiments.datasets.results import publish_results, published_results, results_parts
from tests.experiments.reports.benchmark_files import DATASET, record


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(f"translation/{DATASET}", {}, {}, {}, {})


def test_agents_are_shown_best_first_once_results_are_published(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published.json")
    assert published_results() is None
    both = record("bc", 0.7)
    both["cells"] += record("filtered-bc", 0.8)["cells"]
    both["datasets"][DATASET]["contents"] = manifest.contents
    (tmp_path / "benchmark.json").write_text(json.dumps(both))
    publish_results(tmp_path / "benchmark.json")
    _, said, table = results_parts(manifest, published_results())
    assert "(0.500)" in said
    assert table.splitlines()[2:] == [
        "| filtered-bc | 60.0 ± 0.0 | 60.0 ± 0.0 | 0.800 | 0.001 | 2 |",
        "| bc | 40.0 ± 0.0 | 40.0 ± 0.0 | 0.700 | 0.001 | 2 |",
    ]
    other = replace(manifest, name="translation/other-v0")
    assert "No results on it are published yet" in results_parts(other, published_results())[1]
    both["datasets"][DATASET]["contents"] = "of other texts"
    (tmp_path / "benchmark.json").write_text(json.dumps(both))
    with (tmp_path / "published.json").open() as before:
        publish_results(tmp_path / "benchmark.json")
        assert json.load(before)["datasets"][DATASET]["contents"] == manifest.contents  # another file took its place
    assert "No results on it are published yet" in results_parts(manifest, published_results())[1]


def test_a_card_without_results_says_how_to_get_some(dataset: Dataset) -> None:
    text = (dataset.folder / "README.md").read_text("utf-8")
    assert "rest benchmark --datasets FOLDER\n" in text
