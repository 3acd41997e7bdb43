from __future__ import annotations

import errno
import hashlib
import io
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

import buffers.storage.shard
from buffers import Provenance, Shard, ShardError, Trajectories, write_shard

Compare = Callable[[Trajectories, Trajectories], None]


@pytest.fixture
def path(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    file = tmp_path / "g001-s00000.h5"
    write_shard(file, trajectories, provenance)
    return file


def write_by_hand(path: Path, edit: Callable[[Any], None]) -> None:
    """Rewrite a shard with other contents under a header that vouches for them."""
    body = io.BytesIO(path.read_bytes())
    with h5py.File(body, "r+", libver=("v110", "v110")) as file:
        edit(file)
    content = body.getvalue()[512:]
    header = f"seq2seq-env shard\nbytes {len(content) + 512}\nsha256 {hashlib.sha256(content).hexdigest()}\n"
    path.write_bytes(header.encode().ljust(512, b"\n") + content)


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
        assert set(file.attrs) == {"schema_version", *(field.name for field in fields(provenance))}
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


@pytest.mark.parametrize("size", [0, 5, 17, 18, 100, 511, 512, 513, 560, 2_000, -100, -1])
def test_a_truncated_file_is_refused_when_opened(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ShardError, match=r"g001-s00000\.h5' is damaged: .*; delete it and make it anew"):
        Shard.open(path)


def test_every_flipped_byte_is_found(path: Path, trajectories: Trajectories, assert_equal: Compare) -> None:
    content = path.read_bytes()
    shard = Shard.open(path)
    for place in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ShardError):
            shard.verify()
        # Reading looks at less than the checksum does, but never gives something else or raises another error.
        with suppress(ShardError):
            assert_equal(Shard.open(path).read(), trajectories)


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
        later.setattr(buffers.storage.shard, "SCHEMA_VERSION", 4)
        write_shard(tmp_path / "later.h5", trajectories, provenance)
    with pytest.raises(ShardError, match=r"later\.h5' has schema version 4, this release reads up to 3"):
        Shard.open(tmp_path / "later.h5")


@pytest.mark.parametrize("version", [1, 2])
def test_earlier_schema_versions_are_read(
    path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare, version: int
) -> None:
    def age(file: Any) -> None:
        file.attrs["schema_version"] = version
        del file.attrs["references"]
        if version == 2:
            return
        del file.attrs["shard_count"]
        for name in ("tokens", "source_tokens"):
            del file[name]
            array = getattr(trajectories, name)
            file.create_dataset(name, data=array, chunks=array.shape, compression="gzip", shuffle=True)

    write_by_hand(path, age)
    shard = Shard.open(path)
    assert shard.provenance == provenance
    assert_equal(shard.read(), trajectories)


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


def drop_tokens(file: Any) -> None:
    del file["tokens"]


def link_outside(file: Any) -> None:
    del file["tokens"]
    file["tokens"] = h5py.ExternalLink("secret.h5", "/tokens")


def store_outside(file: Any) -> None:
    del file["tokens"]
    file.create_dataset("tokens", shape=(6,), dtype="<i4", external=[("secret.bin", 0, 24)])


def map_outside(file: Any) -> None:
    del file["tokens"]
    layout = h5py.VirtualLayout(shape=(6,), dtype="<i4")
    layout[:] = h5py.VirtualSource("secret.h5", "tokens", shape=(6,))
    file.create_virtual_dataset("tokens", layout)


def store_texts(file: Any) -> None:
    del file["tokens"]
    file["tokens"] = np.array(["a", "b"], dtype=h5py.string_dtype())


def shorten_rewards(file: Any) -> None:
    del file["reward"]
    file["reward"] = np.zeros(2, dtype=np.float32)


def store_never(file: Any) -> None:
    del file["reward"]
    file.create_dataset("reward", shape=(3,), dtype="<f4", chunks=(3,), compression="gzip", shuffle=True)


def promise_much(file: Any) -> None:
    """Half a terabyte that nobody stored."""
    del file["reward"]
    file.create_dataset("reward", shape=(1 << 37,), dtype="<f4", chunks=(1 << 16,), compression="gzip", shuffle=True)


def store_by_another_filter(file: Any) -> None:
    del file["reward"]
    file["reward"] = np.zeros(3, dtype=np.float32)
    del file["reward"]
    file.create_dataset("reward", data=np.zeros(3, dtype=np.float32), compression="lzf")


def store_a_bomb(file: Any) -> None:
    """64 megabytes of zeros in 64 kilobytes, as the chunk of three numbers."""
    del file["reward"]
    dataset = file.create_dataset("reward", shape=(3,), dtype="<f4", chunks=(3,), compression="gzip", shuffle=True)
    deflate = zlib.compressobj(9)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
    dataset.id.write_direct_chunk((0,), bomb)


def store_a_small_bomb(file: Any) -> None:
    """As long as the chunk of three numbers may be."""
    store_a_bomb(file)
    file["reward"].id.write_direct_chunk((0,), zlib.compress(bytes(40_000), 9))


def swap_tokens(file: Any) -> None:
    file["tokens"][:2] = file["tokens"][1], file["tokens"][0]


def drop_seed(file: Any) -> None:
    del file.attrs["seed"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_tokens, "'tokens' is missing"),
        (link_outside, "it holds a link to elsewhere"),
        (store_outside, "'tokens' is not stored as a shard's arrays are"),
        (map_outside, "'tokens' is not stored as a shard's arrays are"),
        (store_texts, "'tokens' is not stored as a shard's arrays are: its elements are of another type"),
        (shorten_rewards, "reward has 2 entries"),
        (store_never, "'reward' is not stored as a shard's arrays are: it lacks a chunk"),
        (promise_much, "reward has 137438953472 entries"),
        (store_by_another_filter, "'reward' .* neither plain in one piece, nor in chunks under shuffle and gzip"),
        (drop_seed, "its attribute 'seed' is missing"),
    ],
)
def test_other_contents_under_a_good_header_are_refused(path: Path, edit: Callable[[Any], None], message: str) -> None:
    write_by_hand(path, edit)
    with pytest.raises(ShardError, match=message):
        Shard.open(path)


def test_impossible_values_under_a_good_header_are_refused_when_read(path: Path) -> None:
    def spoil(file: Any) -> None:
        file["reward"][1] = 7

    write_by_hand(path, spoil)
    shard = Shard.open(path)
    for read in (shard.read, shard.verify):
        with pytest.raises(ShardError, match=r"damaged: Trajectories\.reward is 7\.0 at row 1"):
            read()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (store_a_bomb, r"a chunk of 12 bytes takes \d{5}"),
        (store_a_small_bomb, "'reward' has a chunk of another size"),
        (swap_tokens, "'tokens' does not have the sum"),
    ],
)
def test_what_only_reading_shows_is_refused_then(path: Path, edit: Callable[[Any], None], message: str) -> None:
    write_by_hand(path, edit)
    shard = Shard.open(path)
    with pytest.raises(ShardError, match=message):
        shard.read()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"No space left on device.*free some space.*g001-s00000\.h5") as raised:
        write_shard(tmp_path / "g001-s00000.h5", trajectories, provenance)
    assert raised.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_no_visible_file(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "g001-s00000.h5", trajectories, provenance)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"make the folder writable.*file/g001-s00000\.h5"):
        write_shard(tmp_path / "file" / "g001-s00000.h5", trajectories, provenance)


def test_nothing_and_unscored_pairs_are_not_written(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    of_unknown_policy = replace(trajectories, log_prob=np.full(6, np.nan, dtype=np.float32))
    unscored = replace(of_unknown_policy, reward=np.full(3, np.nan, dtype=np.float32))
    for unfit in (trajectories.take(np.array([], dtype=np.int64)), of_unknown_policy, unscored):
        with pytest.raises(ValueError, match="give at least one trajectory, scored"):
            write_shard(tmp_path / "shard.h5", unfit, provenance)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("candidates", -1),
        ("references", 2),
        ("references", -1),
        ("num_sources", 0),
        ("sources_per_shard", 0),
        ("seed", -1),
        ("grow_step", -1),
        ("shard_index", -1),
        ("shard_count", 0),
    ],
)
def test_provenance_out_of_range_is_refused(provenance: Provenance, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} (is )?{value}"):
        replace(provenance, **{field: value})
