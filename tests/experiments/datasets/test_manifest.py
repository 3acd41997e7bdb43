from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from buffers import Shard, write_shard
from experiments.datasets.making import Dataset
from experiments.datasets.manifest import (
    FILE,
    PUBLISHED,
    Manifest,
    checked,
    compare,
    local_name,
    published,
    recipe_name,
)
from experiments.datasets.recipes import recipe_of
from tests.experiments.datasets.conftest import NAME

SHARD = "g001-s00000.h5"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_manifest_is_read_as_it_was_written(dataset: Dataset) -> None:
    assert checked(dataset.folder) == dataset.manifest
    assert set(dataset.manifest.shards) == {path.name for path in dataset.folder.glob("*.h5")}
    assert {"manifest.json", "README.md"}.isdisjoint(dataset.manifest.files)
    assert dataset.manifest.name == local_name(NAME) == "translation/phrasebook-lowres-mixed-local-v1"
    assert recipe_name(dataset.manifest.name) == recipe_name(NAME) == NAME


def test_one_changed_byte_is_found_in_every_file(dataset: Dataset, copy: Path) -> None:
    for file in dataset.manifest.files:
        content = bytearray((copy / file).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / file).write_bytes(content)
        with pytest.raises(ValueError, match=f"{file}' has sha256 .*: it was changed; make or download"):
            checked(copy)
        content[len(content) // 2] ^= 1
        (copy / file).write_bytes(content)
    checked(copy)


def test_what_is_missing_foreign_or_another_is_refused(dataset: Dataset, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds the data set '.*-local-v1', not 'another-v0'; name another folder"):
        checked(copy, "another-v0")
    (copy / "g009-s00000.h5").write_bytes((copy / SHARD).read_bytes())
    with pytest.raises(ValueError, match=r"'g009-s00000.h5' in .* is no shard of data set"):
        checked(copy)
    vouched_for = {**dataset.manifest.files, "g009-s00000.h5": sha256(copy / SHARD)}
    replace(dataset.manifest, files=vouched_for).write(copy / FILE)
    with pytest.raises(ValueError, match=r"'g009-s00000.h5' in .* is no shard of data set"):
        checked(copy)
    dataset.manifest.write(copy / FILE)
    (copy / "g009-s00000.h5").unlink()
    (copy / SHARD).unlink()
    with pytest.raises(ValueError, match=f"'{SHARD}' of data set .* is missing in"):
        checked(copy)
    replace(dataset.manifest, files={"../secret": "0"}).write(copy / FILE)
    with pytest.raises(ValueError, match=r"is no manifest of a data set .*outside the folder"):
        checked(copy)
    replace(dataset.manifest, files={}).write(copy / FILE)
    with pytest.raises(ValueError, match=r"is no manifest .*'g000-s00000.h5' is not among its files\); make or down"):
        checked(copy)
    (copy / FILE).write_text("[1]")
    with pytest.raises(ValueError, match="is no manifest of a data set"):
        checked(copy)
    with pytest.raises(FileNotFoundError, match=r"no manifest.json in .*; name a folder that rest dataset make"):
        checked(tmp_path)


@pytest.mark.parametrize("is_published", [False, True])
def test_what_a_manifest_says_of_a_shard_is_what_it_holds(
    is_published: bool, copy: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue("as_published") if is_published else copy
    mine = Manifest.read(folder / FILE)
    shard = Shard.open(folder / SHARD)
    data = shard.read()
    tokens = data.tokens.copy()
    tokens[:2] = tokens[1::-1]
    assert (tokens != data.tokens).any()
    write_shard(shard.path, replace(data, tokens=tokens), shard.provenance)
    replace(mine, files={**mine.files, SHARD: sha256(shard.path)}).write(folder / FILE)
    with pytest.raises(ValueError, match=rf"{SHARD}' has other texts, .* than the manifest of data set .* says: one"):
        checked(folder)


def test_a_verdict_tells_bytes_from_texts(dataset: Dataset) -> None:
    mine = dataset.manifest
    assert compare(mine, mine).text == "the published data set, byte for byte"
    other_bytes = replace(mine, files={**mine.files, SHARD: "0" * 64}, made_with={**mine.made_with, "torch": "9"})
    verdict = compare(mine, other_bytes)
    assert verdict.is_published
    assert "published bytes in 1 of 5 shards, made with torch" in verdict.text
    facts = replace(mine.shards[SHARD], texts_sha256="0")
    verdict = compare(mine, replace(other_bytes, shards={**mine.shards, SHARD: facts}))
    assert not verdict.is_published
    assert f"1 of 5 shards have other texts or numbers than the published ones ({SHARD})" in verdict.text
    facts = replace(mine.shards[SHARD], mean_reward=mine.shards[SHARD].mean_reward + 0.01)
    assert not compare(mine, replace(other_bytes, shards={**mine.shards, SHARD: facts})).is_published


def test_what_is_published_is_of_its_recipe() -> None:
    for file in PUBLISHED.glob("*.json"):
        manifest = published(f"translation/{file.stem}")
        assert manifest is not None
        assert manifest.name == f"translation/{file.stem}"
        recipe = json.loads(json.dumps(asdict(recipe_of(manifest.name))))
        assert manifest.recipe == recipe
    assert published("translation/nothing-v0") is None
