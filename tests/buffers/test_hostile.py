"""What a file from elsewhere may try."""

from __future__ import annotations

import io
import os
import struct
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pytest

import buffers.storage.arrays
from buffers import GrowingBatchBuffer, Provenance, RescoredShard, Shard, ShardError, Trajectories, write_shard
from buffers.__main__ import main
from buffers.storage.columns import NEEDED
from buffers.storage.pieces import lookup3
from buffers.storage.shard import verify_file
from experiments.benchmarks.fuzz_shards import FINE
from experiments.benchmarks.hostile_shards import MUTATIONS, exercise, make_case
from experiments.benchmarks.shard_originals import (
    HEADER,
    NAME,
    REWARDS,
    Original,
    mend_checksums,
    originals,
    with_header,
)
from seq2seq_env.tasks.task import Task

BY_ITSELF = ("source_index", "source_index")
"""A column that shows nothing of the array beside which it is impossible."""

SMALL = ("one", "several", "large ids", "long texts", "old format", "exotic", REWARDS)


@pytest.fixture(scope="module")
def made() -> dict[str, Original]:
    return originals(SMALL)


@pytest.fixture
def path(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    file = tmp_path / NAME
    write_shard(file, trajectories, provenance)
    return file


def test_changed_files_are_refused_or_read(made: dict[str, Original], tmp_path: Path) -> None:
    outcomes: set[str] = set()
    mutations: set[str] = set()
    for number in range(250):
        case = make_case(made, 0, number)
        outcomes.add(exercise(case, tmp_path, made))
        mutations.update(case.mutations)
    assert outcomes == set(FINE)
    assert mutations == set(MUTATIONS)


def test_a_case_depends_on_its_seed_and_number_alone(made: dict[str, Original]) -> None:
    again = originals(SMALL)
    assert make_case(made, 1, 7) == make_case(again, 1, 7)
    assert make_case(made, 1, 7) != make_case(made, 2, 7)
    assert make_case(made, 1, 7) != make_case(made, 1, 8)


def test_every_piece_of_metadata_has_a_checksum_that_is_found(made: dict[str, Original]) -> None:
    """Without which no case would reach beyond it."""
    for name in ("one", "several", "large ids", "long texts"):
        original = made[name]
        assert [start for start, _, _ in original.checksums] == original.starts
        assert {b"OHDR", b"FRHP", b"BTLF"} <= {original.content[start:][:4] for start in original.starts}
    several, long = (
        [made[name].content[start:][:4] for start in made[name].starts] for name in ("several", "long texts")
    )
    assert b"FHIB" in long
    assert b"FHIB" not in several


def test_the_checksum_is_jenkins() -> None:
    # From the test of the author's own program, https://burtleburtle.net/bob/c/lookup3.c
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def edited(original: Original, edit: Callable[[bytearray], None]) -> bytes:
    """A file with other metadata, under checksums that vouch for them."""
    content = bytearray(original.content)
    edit(content)
    mend_checksums(content, original)
    return with_header(bytes(content[HEADER:]))


def test_reading_leaves_the_library_of_hdf5_alone(
    path: Path, trajectories: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("HDF5 was asked")

    monkeypatch.setattr(h5py, "File", refuse)
    shard = Shard.open(path)
    shard.verify()
    assert len(shard.read()) == len(trajectories)


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "g001-s00000.h5")
    (tmp_path / "g001-s00001.h5").symlink_to("/dev/zero")
    for name in ("g001-s00000.h5", "g001-s00001.h5"):
        for read in (Shard.open, verify_file):
            with pytest.raises(ShardError, match=f"{name}' is not a shard of this project; move it"):
                read(tmp_path / name)
    with pytest.raises(ShardError, match="is not a shard"):
        GrowingBatchBuffer(tmp_path)


def test_folders_and_links_that_lead_nowhere_are_named(tmp_path: Path, path: Path) -> None:
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "circle.h5").symlink_to("circle.h5")
    for name in ("folder.h5", "circle.h5"):
        with pytest.raises(OSError, match=name):
            Shard.open(tmp_path / name)
    (tmp_path / "link.h5").symlink_to(path)
    assert Shard.open(tmp_path / "link.h5").num_trajectories == 3


def test_a_file_that_changes_after_it_was_opened_is_refused(
    path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    shard = Shard.open(path)
    uses: list[Callable[[], object]] = [shard.read, lambda: shard.column("reward"), lambda: shard.column("terminated")]
    path.write_bytes(path.read_bytes()[:-1])
    for use in uses:
        with pytest.raises(ShardError, match="is damaged: it has"):
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
        ("log_prob", [np.nan] * 6, "it has no log-probabilities"),
        ("reward", [0.25, np.inf, 1], "reward is inf at row 1"),
    ],
)
def test_impossible_values_are_refused_by_every_use(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, field: str, value: list[Any], message: str
) -> None:
    fields = vars(trajectories) | {field: np.array(value, dtype=getattr(trajectories, field).dtype)}
    content = buffers.storage.arrays.encode(fields, {"schema_version": 3, **asdict(provenance)})
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    shard = Shard.open(tmp_path / NAME)
    needing = [name for name, needed in NEEDED.items() if field in needed and (field, name) != BY_ITSELF]
    uses: list[Callable[[], object]] = [shard.read, shard.verify, *(partial(shard.column, name) for name in needing)]
    for use in uses:
        with pytest.raises(ShardError, match=message):
            use()


def test_truth_values_beyond_one_are_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    spoilt = np.array([1, 2, 0], dtype=np.uint8).view(np.bool_)
    content = buffers.storage.arrays.encode(
        vars(trajectories) | {"terminated": spoilt}, {"schema_version": 3, **asdict(provenance)}
    )
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    with pytest.raises(ShardError, match="'terminated' has truth values that are neither 0 nor 1"):
        Shard.open(tmp_path / NAME).column("terminated")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_sources": 1 << 62}, "sources_per_shard is 2, which makes 2305843009213693952 shards"),
        ({"shard_count": 1 << 62}, "which makes 4611686018427387904 shards; give more"),
        ({"pad_id": -1}, "pad_id is -1; give at least 0"),
        ({"temperature": 1}, "its attribute 'temperature' is missing or no float"),
        ({"candidates": 2.0}, "its attribute 'candidates' is missing or no int"),
        ({"task": 1 << 40}, "its attribute 'task' is missing or no str"),
        ({"schema_version": "2"}, "it records no schema version"),
    ],
)
def test_attributes_that_mislead_are_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, changes: dict[str, Any], message: str
) -> None:
    content = buffers.storage.arrays.encode(vars(trajectories), {"schema_version": 3, **asdict(provenance)} | changes)
    (tmp_path / NAME).write_bytes(with_header(bytes(content)))
    with pytest.raises(ShardError, match=message):
        Shard.open(tmp_path / NAME)


def test_texts_too_long_for_an_attribute_are_neither_written_nor_read(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(provenance, task="x" * 4_100)
    with pytest.raises(ValueError, match=r"a text of 4100 bytes cannot be stored \('xxx.*; at most 4000 can"):
        write_shard(tmp_path / NAME, trajectories, long)
    monkeypatch.setattr(buffers.storage.arrays, "MOST_TEXT", 10_000)
    write_shard(tmp_path / NAME, trajectories, long)
    with pytest.raises(ShardError, match="it has texts beyond the blocks of its heap"):
        Shard.open(tmp_path / NAME)


def test_a_padding_token_that_is_not_the_tasks_is_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, tiny_task: Task
) -> None:
    """The fingerprints are known to all, so a shard can claim them."""
    claimed = replace(
        provenance, task_fingerprint=tiny_task.fingerprint, tokenizer_fingerprint=tiny_task.tokenizer.fingerprint
    )
    write_shard(tmp_path / NAME, trajectories, replace(claimed, pad_id=1_000_000))
    with pytest.raises(ShardError, match="pad_id 1000000, task 'tiny' has"):
        GrowingBatchBuffer(tmp_path, task=tiny_task)


def test_a_promise_beyond_all_compression_is_refused(path: Path) -> None:
    """Four gigabytes of rewards in a kilobyte, none of them stored."""
    column = RescoredShard(Shard.open(path), "other")
    column.write(np.zeros(3, dtype=np.float32), "scorer-1")
    body = io.BytesIO(column.path.read_bytes())
    with h5py.File(body, "r+", libver=("v110", "v110")) as file:
        del file["reward"]
        file.create_dataset(
            "reward", shape=(1 << 30,), dtype="<f4", chunks=(1 << 16,), compression="gzip", shuffle=True
        )
    column.path.write_bytes(with_header(body.getvalue()[HEADER:]))
    with pytest.raises(ShardError, match=r"its \d+ bytes promise arrays of 4294967296 bytes"):
        column.read()


def test_metadata_that_lead_in_circles_end(made: dict[str, Original], tmp_path: Path) -> None:
    original = made["one"]
    content = bytearray(original.content)
    here = len(content) - HEADER
    block = b"OCHK" + struct.pack("<BHBQQ", 16, 16, 0, here, 28)
    content += block + lookup3(block).to_bytes(4, "little")
    content[HEADER + 28 : HEADER + 36] = len(content).to_bytes(8, "little")
    root = next(start for start in original.starts if content[start:].startswith(b"OHDR"))
    gap = root + 8 + 22 + 6 + 22  # after its three messages lies a gap, which becomes two messages
    kind, size, _ = struct.unpack_from("<BHB", content, gap)
    assert kind == 0
    struct.pack_into("<BHBQQ", content, gap, 16, 16, 0, here, 28)
    struct.pack_into("<BHB", content, gap + 20, 0, size - 20, 0)
    mend_checksums(content, original)
    (tmp_path / NAME).write_bytes(with_header(bytes(content[HEADER:])))
    started = time.perf_counter()
    with pytest.raises(ShardError, match="bytes of metadata more, beyond what a shard has"):
        Shard.open(tmp_path / NAME)
    assert time.perf_counter() - started < 10


def test_a_filter_in_the_heap_is_refused(made: dict[str, Original], tmp_path: Path) -> None:
    """HDF5 would look for a library of that number, and run it."""
    original = made["one"]
    heap = next(start for start in original.starts if original.content[start:].startswith(b"FRHP"))

    def add_filter(content: bytearray) -> None:
        content[heap + 7 : heap + 9] = (18).to_bytes(2, "little")

    (tmp_path / NAME).write_bytes(edited(original, add_filter))
    with pytest.raises(ShardError, match="its names are in another heap"):
        Shard.open(tmp_path / NAME)


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


def test_a_hostile_file_is_one_sentence_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, Original]
) -> None:
    (tmp_path / NAME).write_bytes(made["exotic"].content)
    monkeypatch.setattr("sys.argv", ["python -m buffers", "info", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: shard '.*' is damaged: .*; delete it and make it anew"):
        main()
