"""Datasets that HDF5 can store and a shard has not."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

import buffers.storage.arrays
from buffers import Provenance, RescoredShard, Shard, ShardError, Trajectories, write_shard
from buffers.storage.shard import SCHEMA_VERSION
from tests.buffers.storage.conftest import rewrite
from tests.fault_injection.shard_originals import with_header

NAME = "g001-s00000.h5"


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


def store_by_a_lossy_filter(file: Any) -> None:
    del file["reward"]
    file.create_dataset("reward", data=np.zeros(3, np.float32), chunks=(3,), scaleoffset=2)


def store_by_a_library(file: Any) -> None:
    """HDF5 would look for a library of that number, and run it."""
    del file["reward"]
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((3,))
    created.set_filter(40_000, h5py.h5z.FLAG_OPTIONAL)
    h5py.h5d.create(file.id, b"reward", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3,)), created)


def store_in_a_huge_chunk(file: Any) -> None:
    """A gigabyte to allocate for three numbers."""
    del file["reward"]
    data = np.zeros(3, np.float32)
    file.create_dataset(
        "reward", data=data, chunks=(1 << 28,), maxshape=(None,), compression="gzip", compression_opts=9
    )


def store_a_bomb(file: Any) -> None:
    """64 megabytes of zeros in 64 kilobytes, as the chunk of three numbers."""
    del file["reward"]
    dataset = file.create_dataset("reward", shape=(3,), dtype="<f4", chunks=(3,), compression="gzip", shuffle=True)
    deflate = zlib.compressobj(9)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
    dataset.id.write_direct_chunk((0,), bomb)


def swap_tokens(file: Any) -> None:
    file["tokens"][:2] = file["tokens"][1], file["tokens"][0]


def drop_seed(file: Any) -> None:
    del file.attrs["seed"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_tokens, "'tokens' is missing"),
        (link_outside, "'tokens' is a link to elsewhere"),
        (store_outside, "'tokens' is stored in another file"),
        (map_outside, "'tokens' is stored in another file"),
        (store_texts, "tokens is object; give a numpy array of int32"),
        (shorten_rewards, "reward has 2 entries"),
        (store_never, "'reward' lacks a chunk"),
        (promise_much, "reward has 137438953472 entries"),
        (store_by_a_lossy_filter, r"'reward' has the filters \[6\]; only gzip, LZF"),
        (store_by_a_library, r"'reward' has the filters \[40000\]; only gzip, LZF"),
        (store_in_a_huge_chunk, r"its \d+ bytes promise arrays of 10737\d+ bytes"),
        (store_a_bomb, r"'reward' takes \d{5} bytes in 1 chunks of 12"),
        (drop_seed, "its attribute 'seed' is missing"),
    ],
)
def test_other_contents_under_a_good_header_are_refused(path: Path, edit: Callable[[Any], None], message: str) -> None:
    rewrite(path, edit)
    with pytest.raises(ShardError, match=message):
        Shard.open(path)


def test_wrong_sums_are_found_when_read(path: Path) -> None:
    rewrite(path, swap_tokens)
    shard = Shard.open(path)
    with pytest.raises(ShardError, match="'tokens' does not have the sum"):
        shard.read()


def test_truth_values_beyond_one_are_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    spoilt = np.array([1, 2, 0], dtype=np.uint8).view(np.bool_)
    content = buffers.storage.arrays.encode(
        vars(trajectories) | {"terminated": spoilt}, {"schema_version": SCHEMA_VERSION, **asdict(provenance)}
    )
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    with pytest.raises(ShardError, match="'terminated' has truth values that are neither 0 nor 1"):
        Shard.open(tmp_path / NAME).column("terminated")


def test_texts_too_long_for_an_attribute_are_neither_written_nor_read(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(provenance, task="x" * 4_100)
    with pytest.raises(ValueError, match=r"a text of 4100 bytes cannot be stored \('xxx.*; at most 4000 can"):
        write_shard(tmp_path / NAME, trajectories, long)
    with monkeypatch.context() as writer:
        writer.setattr(buffers.storage.arrays, "MOST_TEXT", 10_000)
        write_shard(tmp_path / NAME, trajectories, long)
    with pytest.raises(ShardError, match="its attribute 'task' has 4100 bytes, above 4000"):
        Shard.open(tmp_path / NAME)


def test_a_promise_beyond_all_compression_is_refused(path: Path) -> None:
    """Four gigabytes of rewards in a kilobyte, none of them stored."""
    column = RescoredShard(Shard.open(path), "other")
    column.write(np.zeros(3, dtype=np.float32), "scorer-1")

    def promise(file: Any) -> None:
        del file["reward"]
        file.create_dataset("reward", shape=(1 << 30,), dtype="<f4")

    rewrite(column.path, promise)
    with pytest.raises(
        ShardError, match=r"its \d+ bytes promise arrays of 4294967296 bytes|'reward' is not stored whole"
    ):
        column.read()


def test_columns_in_pages_of_chunks_come_back(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond 1,024 chunks HDF5 keeps their places in pages; the chunks here are small so that the file is."""
    many = trajectories.take(np.tile(np.array([0, 1, 2]), 10_000))
    with monkeypatch.context() as small:
        small.setattr(buffers.storage.arrays, "CHUNK", 16)
        write_shard(tmp_path / NAME, many, provenance)
    found = Shard.open(tmp_path / NAME).read()
    for name, value in vars(many).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
