"""Files for hostile ones to be made from: shards of several shapes, and what no release ever wrote."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import numpy as np

from buffers import Provenance, RescoredShard, Shard, Trajectories, write_shard
from buffers.storage.shard import SCHEMA_VERSION

HEADER = 512
NAME = "g001-s00000.h5"
COLUMN = "other"
REWARDS = "rewards"
"""The original that is no shard, but another scorer's rewards for one."""

SIGNATURES = re.compile(rb"\x89HDF|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FAHD|FADB|FSHD|FSSE|TREE|HEAP|SNOD|GCOL")
"""With which HDF5's pieces of metadata begin."""

USUAL = (34, 44, 78, 142, 264)
"""Bytes of many pieces of metadata, which are tried first."""

TIMES = 0x20
"""Flag of an object that records when it was made."""

LONGEST = 600
"""Bytes that a piece of metadata may have where it does not say how long it is."""


@dataclass(frozen=True)
class Original:
    """A file to change.

    Attributes:
        content: All of it.
        starts: Places of its pieces of metadata.
        checksums: Start, end and place of the checksum of each piece of metadata that has one.
    """

    content: bytes
    starts: list[int]
    checksums: list[tuple[int, int, int]]

    @classmethod
    def of(cls, content: bytes) -> Original:
        """A file, its metadata found."""
        starts = [match.start() for match in SIGNATURES.finditer(content)]
        found = [checksum for start in starts for checksum in _find_checksum(content, start)]
        return cls(content, starts, found)


def with_header(body: bytes) -> bytes:
    """A file with a header that vouches for it."""
    text = f"seq2seq-env shard\nbytes {HEADER + len(body)}\nsha256 {hashlib.sha256(body).hexdigest()}\n"
    return text.encode().ljust(HEADER, b"\n") + body


def mend_checksums(content: bytearray, original: Original) -> None:
    """Compute anew the checksums of those pieces of metadata that were changed and still begin as before."""
    for start, end, place in original.checksums:
        touched = content[start : end + 4] != original.content[start : end + 4]
        if touched and place + 4 <= len(content) and content[start : start + 4] == original.content[start : start + 4]:
            content[place : place + 4] = _checksum(bytes(content), start, end, place)


def originals(names: Sequence[str] | None = None) -> dict[str, Original]:
    """Shards of several shapes, other scorers' rewards, and HDF5 files that no release ever wrote; None makes all."""
    several = _trajectories(40, 50)
    makers: dict[str, Callable[[], bytes]] = {
        REWARDS: lambda: _rewards(_written(several)),
        "one": lambda: _written(_trajectories(1, 50)),
        "several": lambda: _written(several),
        "large ids": lambda: _written(_trajectories(40, 250_000)),
        "chunks": lambda: _written(several.take(np.arange(70_000) % 40)),
        "long texts": lambda: _written(several, task="phrasebook" * 150),  # so that attributes fill several blocks
        "old format": lambda: with_header(_old_format(several)),
        "exotic": lambda: _timeless(with_header(_exotic())),
    }
    return {name: Original.of(make()) for name, make in makers.items() if names is None or name in names}


def _trajectories(size: int, vocab: int) -> Trajectories:
    rng = np.random.default_rng(size)
    lengths, source_lengths = rng.integers(1, 9, size), rng.integers(1, 9, 1 + size // 2)
    offsets, source_offsets = (np.cumsum([0, *each], dtype=np.int64) for each in (lengths, source_lengths))
    return Trajectories(
        source_index=np.arange(size, dtype=np.int64) // 2,
        offsets=offsets,
        tokens=rng.integers(0, vocab, offsets[-1]).astype(np.int32),
        log_prob=-rng.random(offsets[-1]).astype(np.float32),
        terminated=rng.random(size) < 0.5,
        reward=rng.random(size).astype(np.float32),
        is_reference=rng.random(size) < 0.2,
        source_rows=np.arange(len(source_lengths), dtype=np.int64),
        source_offsets=source_offsets,
        source_tokens=rng.integers(0, vocab, source_offsets[-1]).astype(np.int32),
    )


def _written(trajectories: Trajectories, task: str = "phrasebook-de-en") -> bytes:
    provenance = Provenance(
        task=task,
        task_fingerprint="0123456789abcdef" * 4,
        tokenizer_fingerprint="89abcdef01234567" * 4,
        pad_id=1,
        policy_fingerprint="fedcba9876543210" * 4,
        sampler="Seq2SeqPolicy",
        scorer_fingerprint="76543210fedcba98" * 4,
        temperature=0.8,
        grow_from="train",
        candidates=2,
        references=1,
        num_sources=64,
        sources_per_shard=32,
        seed=3,
        grow_step=1,
        shard_index=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        write_shard(Path(folder) / NAME, trajectories, provenance)
        return (Path(folder) / NAME).read_bytes()


def _rewards(shard: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / NAME).write_bytes(shard)
        column = RescoredShard(Shard.open(Path(folder) / NAME), COLUMN)
        column.write(np.linspace(0, 1, column.num_trajectories, dtype=np.float32), "fedcba98" * 8)
        return column.path.read_bytes()


def _old_format(trajectories: Trajectories) -> bytes:
    """The same contents as HDF5 1.6 stored them: no checksum, symbol tables, B-trees of version 1."""
    body = io.BytesIO()
    with (
        h5py.File(io.BytesIO(_written(trajectories)), "r") as source,
        h5py.File(body, "w", libver=("earliest", "v108"), userblock_size=HEADER) as file,
    ):
        for name, dataset in source.items():
            file.create_dataset(name, data=dataset[:], chunks=dataset.shape, compression="gzip", shuffle=True)
        for name, value in source.attrs.items():
            file.attrs[name] = value
    return body.getvalue()[HEADER:]


def _exotic() -> bytes:
    """What HDF5 can store and a shard never does, so that changes to it reach HDF5's other rooms."""
    body = io.BytesIO()
    with h5py.File(body, "w", libver=("v110", "v110"), userblock_size=HEADER, track_order=True) as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["task"] = "text of variable length"
        file.attrs["sampler"] = h5py.Empty("S4")
        file.attrs["seed"] = np.array([(1, 2.0)], dtype=[("number", "<i4"), ("parts", "<f8")])
        file.attrs["policy_fingerprint"] = file.ref
        file.create_dataset("tokens", data=["texts", "too"], dtype=h5py.string_dtype())
        file.create_dataset("offsets", shape=(5,), dtype="<i8", external=[("elsewhere.bin", 0, 40)])
        layout = h5py.VirtualLayout(shape=(6,), dtype="<f4")
        layout[:] = h5py.VirtualSource("elsewhere.h5", "reward", shape=(6,))
        file.create_virtual_dataset("reward", layout)
        file.create_dataset("log_prob", shape=(9,), maxshape=(None,), chunks=(2,), dtype="<f4", fletcher32=True)
        file.create_dataset("terminated", data=np.ones((2, 2), dtype=np.bool_), compression="lzf")
        file["is_reference"] = h5py.SoftLink("/deep/er")
        file["source_index"] = h5py.ExternalLink("elsewhere.h5", "/source_index")
        file["deep/er/group"] = np.arange(3)
        file["deep/back"] = file["/"]
        file["source_rows"] = np.dtype([("nested", np.dtype([("text", "S3")]))])
    return body.getvalue()[HEADER:]


def _timeless(content: bytes) -> bytes:
    """A file whose objects do not tell when they were made, so that it is always the same."""
    original, changed = Original.of(content), bytearray(content)
    for start in original.starts:
        if content[start : start + 4] == b"OHDR" and content[start + 5] & TIMES:
            changed[start + 6 : start + 22] = bytes(16)
    mend_checksums(changed, original)
    return with_header(bytes(changed[HEADER:]))


def _find_checksum(content: bytes, start: int) -> list[tuple[int, int, int]]:
    """At most one: (start, end, place) where ``place`` holds the checksum of the bytes from ``start`` to ``end``."""
    if content[start : start + 4] == b"FHDB":  # its checksum lies inside, and counts as zeros
        tries = [(start + size, start + at) for size in (512, 1_024, 2_048, 4_096) for at in (17, 18)]
    else:
        sizes = (_size_of_header(content, start), *USUAL, *range(8, LONGEST))
        tries = [(start + size, start + size) for size in sizes if start + size + 4 <= len(content)]
    for end, place in tries:
        if content[place : place + 4] == _checksum(content, start, end, place):
            return [(start, end, place)]
    return []


def _size_of_header(content: bytes, start: int) -> int:
    """Bytes of an object's header, if it is one."""
    flags = content[start + 5]
    at = start + 6 + 16 * bool(flags & TIMES) + 4 * bool(flags & 16)
    width = 1 << (flags & 3)
    return at + width + int.from_bytes(content[at : at + width], "little") - start


def _checksum(content: bytes, start: int, end: int, place: int) -> bytes:
    covered = content[start:end]
    if place < end:
        covered = covered[: place - start] + bytes(4) + covered[place - start + 4 :]
    return lookup3(covered).to_bytes(4, "little")


def lookup3(content: bytes) -> int:
    """Bob Jenkins' ``hashlittle`` of 2006 from 0, the checksum of HDF5's metadata, which h5py does not offer."""
    mask = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(content)) & mask
    words = memoryview(content + bytes(-len(content) % 12)).cast("I")
    for i in range(0, len(words) - 3, 3):
        a, b, c = a + words[i], b + words[i + 1], c + words[i + 2] & mask
        a = (a - c & mask) ^ (c << 4 & mask | c >> 28)
        c += b
        b = (b - a & mask) ^ (a << 6 & mask | a >> 26)
        a += c
        c = (c - b & mask) ^ (b << 8 & mask | b >> 24)
        b += a
        a = (a - c & mask) ^ (c << 16 & mask | c >> 16)
        c += b
        b = (b - a & mask) ^ (a << 19 & mask | a >> 13)
        a += c
        c = (c - b & mask) ^ (b << 4 & mask | b >> 28)
        b += a
    a, b, c = a + words[-3] & mask, b + words[-2] & mask, c + words[-1] & mask
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - (b << by & mask | b >> (32 - by))) & mask
        a, b, c = b, c, a
    return b
