from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from experiments.datasets.downloading import download
from experiments.datasets.making import Dataset
from experiments.datasets.manifest import FILE, Manifest
from tests.experiments.datasets.conftest import NAME


def test_a_copy_is_whole_and_made_once(as_published: Path, tmp_path: Path) -> None:
    copy = download(NAME, str(as_published.parents[1]), tmp_path / "copy")
    assert copy.verdict.is_published
    files = [path.relative_to(as_published) for path in as_published.rglob("*") if path.is_file()]
    assert all((tmp_path / "copy" / file).read_bytes() == (as_published / file).read_bytes() for file in files)
    assert download(NAME, "nowhere", tmp_path / "copy").manifest == copy.manifest


def test_the_hub_is_asked_for_a_repository_of_data_sets(
    as_published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def snapshot(name: str, repo_type: str, allow_patterns: list[str], **_: object) -> str:
        assert (name, repo_type) == ("someone/data", "dataset")
        assert "*phrasebook-lowres-mixed-v1/*" in allow_patterns
        return str(as_published)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert download(NAME, "someone/data", tmp_path / "copy").folder == tmp_path / "copy"


def test_another_data_set_is_refused(dataset: Dataset, as_published: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no data set"):
        download(NAME, str(tmp_path), tmp_path / "copy")
    with pytest.raises(ValueError, match="holds the data set 'translation/phrasebook-lowres-mixed-local-v1', not"):
        download(NAME, str(dataset.folder), tmp_path / "copy")
    manifest = Manifest.read(as_published / FILE)
    shard = as_published / "g001-s00000.h5"
    (tmp_path / "manifests" / "phrasebook-lowres-mixed-v1.json").write_text(
        (as_published / FILE)
        .read_text()
        .replace(manifest.shards[shard.name].texts_sha256, "0" * 64)
        .replace(manifest.files[shard.name], "0" * 64)
    )
    with pytest.raises(ValueError, match="and is a local data set: 1 of 5 shards have other texts"):
        download(NAME, str(as_published), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_local_data_set_is_not_taken_for_the_published_one(
    as_published: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert download(NAME, str(as_published), copy).verdict.is_published
    monkeypatch.setattr("experiments.datasets.manifest.PUBLISHED", copy)
    with pytest.raises(ValueError, match=r"copy' holds '.*-local-v1' already, which is not the published .*; name ano"):
        download(NAME, str(as_published), copy)
