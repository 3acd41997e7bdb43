from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

import buffers.storage.arrays
import buffers.storage.shard
from buffers import Provenance, Shard, ShardError, Trajectories, write_shard
from buffers.storage.columns import NEEDED
from buffers.storage.shard import SCHEMA_VERSION
from tests.buffers.storage.conftest import rewrite
from tests.fault_injection.shard_originals import with_header

Compare = Callable[[Trajectories, Trajectories], None]
NAME = "g001-s00000.h5"

BY_ITSELF = ("source_index", "source_index")
"""A column that shows nothing of the array beside which it is impossible."""


def test_round_trip_is_exact(
    path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    shard = Shard.open(path)
    assert shard.provenance == provenance
    assert (shard.num_trajectories, shard.num_tokens, shard.num_sources) == (3, 6, 2)
    assert_equal(shard.read(), trajectories)
    shard.verify()


def test_any_hdf5_reader_finds_the_documented_fields(path: Path, provenance: Provenance) -> None:
    with h5py.File(path, "r") as file:
        assert {name: (str(data.dtype), data.shape) for name, data in file.items()} == {
            "source_index": ("int64", (3,)),
            "offsets": ("int64", (4,)),
            "tokens": ("uint16", (6,)),
            "log_prob": ("float32", (6,)),
            "terminated": ("bool", (3,)),
            "reward": ("float32", (3,)),
            "is_reference": ("bool", (3,)),
            "source_rows": ("int64", (2,)),
            "source_offsets": ("int64", (3,)),
            "source_tokens": ("uint16", (5,)),
        }
        assert set(file.attrs) == {"schema_version", "contents_sha256", *(field.name for field in fields(provenance))}
        assert (file.attrs["temperature"], file.attrs["task"], file.attrs["pad_id"]) == (0.8, b"tiny", 18)
        assert (file["tokens"].compression, file["tokens"].chunks) == (None, None)
        assert file["tokens"].attrs["sum64"] == sum(int(v) << 16 * i for i, v in enumerate([5, 0, 0, 6])) + 7 + (
            8 << 16
        )
        assert (file["log_prob"].compression, file["log_prob"].shuffle) == ("gzip", True)


def test_the_same_contents_give_the_same_bytes(
    path: Path, trajectories: Trajectories, provenance: Provenance, tmp_path: Path
) -> None:
    write_shard(tmp_path / "elsewhere" / "again.h5", trajectories, provenance)
    assert (tmp_path / "elsewhere" / "again.h5").read_bytes() == path.read_bytes()
    write_shard(tmp_path / "other.h5", trajectories, replace(provenance, seed=4))
    assert (tmp_path / "other.h5").read_bytes() != path.read_bytes()


def test_a_column_of_many_chunks_comes_back(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    many = trajectories.take(np.tile(np.array([0, 1, 2]), 40_000))
    write_shard(tmp_path / "many.h5", many, provenance)
    assert_equal(Shard.open(tmp_path / "many.h5").read(), many)
    assert (tmp_path / "many.h5").stat().st_size < 700_000  # half a megabyte of it tokens


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("Once upon a time there was a file. " * 50)
    with h5py.File(tmp_path / "hdf5.h5", "w") as file:
        file["tokens"] = np.arange(4)
    for name in ("text.h5", "hdf5.h5"):
        with pytest.raises(ShardError, match=f"{name}' is not a shard of this project; move it"):
            Shard.open(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Shard.open(tmp_path / "missing.h5")


def test_another_schema_version_is_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(buffers.storage.shard, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
        write_shard(tmp_path / "later.h5", trajectories, provenance)
    with pytest.raises(ShardError, match=r"later\.h5' has schema version 8, this release reads 7; read it"):
        Shard.open(tmp_path / "later.h5")


def test_a_file_that_tells_when_it_was_made_is_read(
    tmp_path: Path,
    trajectories: Trajectories,
    provenance: Provenance,
    assert_equal: Compare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As files of h5py below 3.15 do."""
    with monkeypatch.context() as before:
        before.setattr(h5py, "File", partial(h5py.File, track_times=True))
        write_shard(tmp_path / "old.h5", trajectories, provenance)
    write_shard(tmp_path / "new.h5", trajectories, provenance)
    assert (tmp_path / "old.h5").read_bytes() != (tmp_path / "new.h5").read_bytes()
    assert_equal(Shard.open(tmp_path / "old.h5").read(), trajectories)


def test_large_token_ids_come_back(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    large = replace(trajectories, tokens=np.array([5, 0, 65_536, 6, 250_000, 8], dtype=np.int32))
    write_shard(tmp_path / "large.h5", large, provenance)
    assert_equal(Shard.open(tmp_path / "large.h5").read(), large)


def test_impossible_values_under_a_good_header_are_refused_when_read(path: Path) -> None:
    def spoil(file: Any) -> None:
        file["reward"][1] = 7

    rewrite(path, spoil)
    shard = Shard.open(path)
    for read in (shard.read, shard.verify):
        with pytest.raises(ShardError, match=r"corrupt: Trajectories.reward is 7\.0 at row 1"):
            read()


def test_nothing_and_unscored_pairs_are_not_written(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    nothing: dict[str, Any] = {
        "log_prob": np.full(6, np.nan, dtype=np.float32),
        "reward": np.full(3, np.nan, dtype=np.float32),
    }
    unscored = replace(trajectories, **nothing)
    for unfit in (trajectories.take(np.array([], dtype=np.int64)), unscored):
        with pytest.raises(ValueError, match="give at least one trajectory, scored"):
            write_shard(tmp_path / "shard.h5", unfit, provenance)
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_recorded_is_stored_as_that(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    log_prob = np.array([-0.5, -0.25, np.nan, -1, 0, -2], dtype=np.float32)  # of the second target alone
    known_in_part = replace(trajectories, log_prob=log_prob)
    unrecorded = replace(provenance, temperature=np.nan, imported="{}")
    write_shard(tmp_path / NAME, known_in_part, unrecorded)
    shard = Shard.open(tmp_path / NAME)
    shard.verify()
    assert_equal(shard.read(), known_in_part)
    assert shard.temperature is None
    assert unrecorded.difference(shard.provenance) is None
    assert "imported" in str(provenance.difference(replace(unrecorded, temperature=provenance.temperature)))


def test_a_file_that_changes_after_it_was_opened_is_refused(
    path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    shard = Shard.open(path)
    uses: list[Callable[[], object]] = [shard.read, lambda: shard.column("reward"), lambda: shard.column("terminated")]
    path.write_bytes(path.read_bytes()[:-1])
    for use in uses:
        with pytest.raises(ShardError, match=r"is corrupt: it has \d+ bytes where its header records"):
            use()
    path.unlink()
    write_shard(path, trajectories.take(np.array([0])), provenance)
    for use in uses:
        with pytest.raises(ShardError, match="has changed since it was opened; open the buffer again"):
            use()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("offsets", [0, 2, 1, 6], "offsets goes from 2 to 1 at row 1"),
        ("offsets", [0, 2, 3, 1 << 60], "offsets runs from 0 to 1152921504606846976"),
        ("source_offsets", [0, 0, 5], "source_offsets goes from 0 to 0 at row 0"),
        ("source_rows", [7, 4], "source_rows must rise"),
        ("source_rows", [-4, 7], "source_rows must rise from 0"),
        ("source_rows", [4, 8], "source_rows lacks row 7"),
        ("source_index", [4, 4, 9], "source_rows lacks row 9"),
        ("tokens", [5, 0, 0, 70_000, -7, 8], "tokens has token -7; a token id is at least 0"),
        ("source_tokens", [-1, 3, 0, 4, 0], "source_tokens has token -1"),
        ("log_prob", [np.nan, 0, 0, 0, 0, 0], "log_prob is nan at token 0"),
        ("log_prob", [-1, -1, np.nan, np.nan, -1, 0], "log_prob is nan at token 3"),
        ("reward", [0.25, np.inf, 1], "reward is inf at row 1"),
    ],
)
def test_impossible_values_are_refused_by_every_use(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, field: str, value: list[Any], message: str
) -> None:
    fields = vars(trajectories) | {field: np.array(value, dtype=getattr(trajectories, field).dtype)}
    content = buffers.storage.arrays.encode(fields, {"schema_version": SCHEMA_VERSION, **asdict(provenance)})
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    shard = Shard.open(tmp_path / NAME)
    needing = [name for name, needed in NEEDED.items() if field in needed and (field, name) != BY_ITSELF]
    uses: list[Callable[[], object]] = [shard.read, shard.verify, *(partial(shard.column, name) for name in needing)]
    for use in uses:
        with pytest.raises(ShardError, match=message):
            use()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_sources": 1 << 62}, "sources_per_shard is 2, which makes 2305843009213693952 shards"),
        ({"shard_count": 1 << 62}, "which makes 4611686018427387904 shards; give more"),
        ({"grow_from": "elsewhere"}, "there is no grow_from 'elsewhere'; choose one of train, source-only, both"),
        ({"pad_id": -1}, "pad_id is -1; give at least 0"),
        ({"temperature": 1}, "its attribute 'temperature' is missing or no float"),
        ({"candidates": 2.0}, "its attribute 'candidates' is missing or no int"),
        ({"task": 1 << 40}, "its attribute 'task' is missing or no str"),
        ({"seed": [3] * 1_000}, "its attribute 'seed' is missing or no int"),
        ({"schema_version": "5"}, "its attribute 'schema_version' is missing or no int"),
    ],
)
def test_attributes_that_mislead_are_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, changes: dict[str, Any], message: str
) -> None:
    content = buffers.storage.arrays.encode(
        vars(trajectories), {"schema_version": SCHEMA_VERSION, **asdict(provenance)} | changes
    )
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    with pytest.raises(ShardError, match=message):
        Shard.open(tmp_path / NAME)
