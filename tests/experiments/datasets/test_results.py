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
from experiments.reports.benchmark_results import Results
from tests.experiments.reports.benchmark_files import DATASET, RULES, record, run


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
    rules = replace(RULES, contents={DATASET: manifest.contents})
    publish_results(tmp_path / "benchmark.json", rules)
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
        publish_results(tmp_path / "benchmark.json", replace(rules, contents={DATASET: "of other texts"}))
        assert json.load(before)["datasets"][DATASET]["contents"] == manifest.contents  # another file took its place
    assert "No results on it are published yet" in results_parts(manifest, published_results())[1]


def test_results_that_break_the_rules_are_not_published(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published.json")
    (tmp_path / "benchmark.json").write_text(json.dumps(record()))
    with pytest.raises(
        ValueError, match=r"is not published, as it breaks the rules in 1 place \(data set .* has texts o"
    ):
        publish_results(tmp_path / "benchmark.json", replace(RULES, contents={DATASET: "b" * 64}))
    assert published_results() is None


def test_a_card_tells_the_seeds_that_failed(manifest: Manifest, tmp_path: Path) -> None:
    file = record()
    file["datasets"][DATASET]["contents"] = manifest.contents
    file["cells"][0]["runs"] = [run(0), run(1, 0.5) | {"failed": True}]
    (tmp_path / "benchmark.json").write_text(json.dumps(file))
    *_, said, table = results_parts(manifest, Results.read(tmp_path / "benchmark.json"))
    assert said.endswith("Seeds whose training failed count with score 0.")
    assert table.endswith("| 2 (1 failed) |")


def test_a_card_without_results_says_how_to_get_some(dataset: Dataset) -> None:
    text = (dataset.folder / "README.md").read_text("utf-8")
    assert "rest benchmark --datasets FOLDER\n" in text
