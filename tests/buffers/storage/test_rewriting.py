"""Shards that another program rewrote, as h5repack does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

from buffers import GrowingBatchBuffer, Provenance, RescoredShard, Shard, ShardError, Trajectories
from buffers.storage.sandbox import verify_untrusted

Compare = Callable[[Trajectories, Trajectories], None]


def repack(path: Path, *, header: bool = True, change: Callable[[Any], None] | None = None, **storage: Any) -> None:
    """Copy all that a file holds into a new one with other storage; h5repack keeps the header as it is."""
    target = path.with_suffix(".repacked")
    with h5py.File(path, "r") as old, h5py.File(target, "w", userblock_size=512 if header else 0) as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name, dataset in old.items():
            new.create_dataset(name, data=dataset[:], **storage)
        if change:
            change(new)
    if header:
        with target.open("r+b") as raw:
            raw.write(path.read_bytes()[:512])
    target.rename(path)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    "storage",
    [
        {},
        {"chunks": (2,)},
        {"chunks": (2,), "compression": "lzf", "fletcher32": True},
        {"chunks": (1 << 10,), "maxshape": (None,), "compression": "gzip", "compression_opts": 9},
    ],
)
def test_a_rewritten_shard_is_read(
    path: Path,
    trajectories: Trajectories,
    provenance: Provenance,
    assert_equal: Compare,
    storage: dict[str, Any],
    header: bool,
) -> None:
    before = path.read_bytes()
    column = RescoredShard(Shard.open(path), "other")
    column.write(np.array([0.5, 0.25, 1.0], dtype=np.float32), "scorer-1")
    for file in (path, column.path):
        repack(file, header=header, **storage)
    assert path.read_bytes() != before
    verify_untrusted([path, column.path])
    buffer = GrowingBatchBuffer(path.parent)
    buffer.verify()
    assert buffer.shards[0].provenance == provenance
    assert_equal(buffer.select().read(), trajectories)
    assert buffer.select(scorer="other").rewards.tolist() == [0.5, 0.25, 1.0]


def set_reward(file: Any) -> None:
    file["reward"][0] = 0.5


def set_seed(file: Any) -> None:
    file.attrs["seed"] = 4


def drop_digest(file: Any) -> None:
    del file.attrs["contents_sha256"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_reward, "its contents do not have the contents_sha256 that it records"),
        (set_seed, "its contents do not have the contents_sha256 that it records"),
        (drop_digest, "its attribute 'contents_sha256' is missing or no str"),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_a_rewritten_shard_that_says_something_else_is_refused(
    path: Path, change: Callable[[Any], None], message: str, header: bool
) -> None:
    repack(path, header=header, change=change)
    with pytest.raises(ShardError, match=message):
        Shard.open(path)


def test_a_rewritten_shard_that_is_cut_is_refused(path: Path) -> None:
    repack(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ShardError, match=r"is corrupt: it has \d+ bytes where its header records \d+, and .*truncated"):
        Shard.open(path)
