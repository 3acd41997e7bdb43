"""Shards as somebody who means harm, or a failing disk, would make them: real ones, changed in many ways.

HDF5 guards its metadata by checksums, and a shard's header guards the whole file. Whoever makes a file can compute
both anew, so a case leaves them as they were, or mends the header, or mends both: then HDF5 meets the damage itself.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np

from buffers import GrowingBatchBuffer, Provenance, RescoredShard, Shard, ShardError, Trajectories, write_shard
from buffers.columns import NEEDED
from buffers.hdf5 import TIMES
from buffers.maintenance import describe
from buffers.pieces import lookup3
from buffers.trajectories import TRAJECTORIES_LAYOUT

HEADER = 512
NAME = "g001-s00000.h5"
COLUMN = "other"
REWARDS = "rewards"
"""The original that is no shard, but another scorer's rewards for one."""

SIGNATURES = re.compile(rb"\x89HDF|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FAHD|FADB|FSHD|FSSE|TREE|HEAP|SNOD|GCOL")
"""With which HDF5's pieces of metadata begin."""

USUAL = (34, 44, 78, 142, 264)
"""Bytes of many pieces of metadata, which are tried first."""

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


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Attributes:
        original: Name of what it was made from.
        mutations: What was done to it, in this order.
        mended: "nothing", "header" or "checksums", these and the header.
        content: The file.
    """

    original: str
    mutations: tuple[str, ...]
    mended: str
    content: bytes


def make_case(originals: Mapping[str, Original], seed: int, number: int) -> Case:
    """Case ``number`` of a campaign, a pure function of these arguments."""
    random = Random(f"{seed} {number}")
    name = random.choice(list(originals))
    mended = random.choices(("nothing", "header", "checksums"), (15, 25, 60))[0]
    chosen = tuple(random.choices(list(MUTATIONS), k=random.choice((1, 1, 1, 2, 3))))
    content = bytearray(originals[name].content)
    for mutation in chosen:
        MUTATIONS[mutation](random, content, originals[name], [other.content for other in originals.values()])
    if mended == "checksums":
        mend_checksums(content, originals[name])
    return Case(name, chosen, mended, bytes(content) if mended == "nothing" else with_header(bytes(content[HEADER:])))


def exercise(case: Case, folder: Path, originals: Mapping[str, Original]) -> str:
    """Do all that a user would do with a file: "accepted", "refused when opened" or "refused when read".

    Args:
        case: The file.
        folder: Where to put it, in the place of the case before.
        originals: What it was made from, and the shard to put beside a file of rewards.

    Raises:
        AssertionError: If a use refuses in another way than by naming the file, or accepts what it should not.
        Exception: Whatever else a use raises; it should not.
    """
    shard, rewards = folder / NAME, folder / "scores" / COLUMN / NAME
    rewards.parent.mkdir(parents=True, exist_ok=True)
    rewards.unlink(missing_ok=True)
    if case.original == REWARDS:
        shard.write_bytes(originals["several"].content)
        rewards.write_bytes(case.content)
        outcome = _exercise_rewards(rewards, RescoredShard(Shard.open(shard), COLUMN))
    else:
        shard.write_bytes(case.content)
        outcome = _exercise_shard(shard)
    changed = case.content != originals[case.original].content
    assert outcome != "accepted" or case.mended != "nothing" or not changed, "verify accepts a changed file"
    return outcome


def _exercise_shard(path: Path) -> str:
    try:
        shard = Shard.open(path)
    except ShardError as refusal:
        _check_refusal(path, refusal)
        return "refused when opened"
    buffer = path.parent
    return _outcome(
        path,
        {
            "arrays": lambda: shard.read_arrays(tuple(TRAJECTORIES_LAYOUT)),
            **{name: partial(shard.column, name) for name in NEEDED},
            "read": shard.read,
            "verify": shard.verify,
            "describe": lambda: describe(buffer),
            "batches": lambda: list(GrowingBatchBuffer(buffer).select().batches(4_096, seed=0)),
        },
    )


def _exercise_rewards(path: Path, column: RescoredShard) -> str:
    buffer = column.shard.path.parent
    return _outcome(
        path,
        {
            "fingerprint": column.scorer_fingerprint,
            "column": lambda: column.column("reward"),
            "read": column.read,
            "verify": column.verify,
            "batches": lambda: list(GrowingBatchBuffer(buffer).select(scorer=COLUMN).batches(4_096, seed=0)),
        },
    )


def _outcome(path: Path, uses: Mapping[str, Callable[[], object]]) -> str:
    refused = {name for name, use in uses.items() if _refuses(use, path)}
    # A folder may refuse a file that is whole, for a name that does not fit it.
    assert "verify" in refused or refused <= {"describe", "batches"}, f"{refused} refuse what verify accepts"
    assert "read" not in refused or "batches" in refused, "batches of what cannot be read"
    return "refused when read" if refused else "accepted"


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
        candidates=2,
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
        file.attrs["schema_version"] = 2
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


def _place(random: Random, content: bytearray, original: Original) -> int:
    """Mostly within metadata, as most bytes are not."""
    if original.starts and random.random() < 0.8:
        return min(random.choice(original.starts) + int(random.expovariate(1 / 80)), len(content) - 1)
    return random.randrange(min(HEADER, len(content) - 1), len(content))


def _flip(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    for _i in range(random.randint(1, 8)):
        content[_place(random, content, original)] ^= 1 << random.randrange(8)


def _run(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    start = _place(random, content, original)
    size = len(content[start : start + random.randint(1, 64)])
    content[start : start + size] = random.choice((random.randbytes(size), b"\xff" * size))


def _zero(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    start = _place(random, content, original)
    size = len(content[start : start + random.randint(1, 512)])
    content[start : start + size] = bytes(size)


def _truncate(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    del content[max(HEADER + 1, _place(random, content, original)) :]


def _extend(random: Random, content: bytearray, _original: Original, _: Sequence[bytes]) -> None:
    content += random.randbytes(random.randint(1, 4_096))


def _splice(random: Random, content: bytearray, original: Original, others: Sequence[bytes]) -> None:
    other = random.choice(others)
    start = random.randrange(HEADER, len(other))
    piece = other[start : start + random.randint(1, 1_024)]
    place = start if random.random() < 0.5 else _place(random, content, original)
    content[place : place + len(piece)] = piece


def _shift(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    start, size = _place(random, content, original), random.randint(1, 16)
    content[start : start + random.choice((0, size))] = random.choice((b"", bytes(size)))


def _number(random: Random, content: bytearray, original: Original, _: Sequence[bytes]) -> None:
    """A length, count, version or address: impossible, off by one, or leading elsewhere and back."""
    size = random.choice((1, 1, 2, 4, 8))
    start = min(_place(random, content, original), len(content) - size)
    now = int.from_bytes(content[start : start + size], "little")
    most = (1 << 8 * size) - 1
    address = random.choice(original.starts) - HEADER if original.starts else 0
    value = random.choice((0, 1, most, most >> 1, (most >> 1) + 1, now - 1, now + 1, now * 2, len(content), address))
    content[start : start + size] = (value & most).to_bytes(size, "little")


def _numbers(random: Random, content: bytearray, original: Original, others: Sequence[bytes]) -> None:
    for _ in range(3):
        _number(random, content, original, others)


def _header(random: Random, content: bytearray, _original: Original, _: Sequence[bytes]) -> None:
    text = bytes(content[:HEADER])
    size = str(len(content)).encode()
    wrong = random.choice((b"", b"-1", b"9" * 400, b"0", b"\xff\xfe", size + b"0", b" " + size, b"1e3"))
    changed = random.choice((text.replace(size, wrong, 1), text[::-1], text.replace(b"\n", b"\r"), b"\n" * HEADER))
    place = random.randrange(80)
    flipped = text[:place] + bytes([text[place] ^ 1 << random.randrange(8)]) + text[place + 1 :]
    content[:HEADER] = random.choice((changed, flipped))[:HEADER].ljust(HEADER, b"\n")


Mutation = Callable[[Random, bytearray, Original, Sequence[bytes]], None]

MUTATIONS: dict[str, Mutation] = {
    "flip": _flip,
    "run": _run,
    "zero": _zero,
    "truncate": _truncate,
    "extend": _extend,
    "splice": _splice,
    "shift": _shift,
    "number": _number,
    "numbers": _numbers,
    "header": _header,
}


def _refuses(use: Callable[[], Any], path: Path) -> bool:
    try:
        use()
    except ShardError as refusal:
        _check_refusal(path, refusal)
        return True
    return False


def _check_refusal(path: Path, refusal: ShardError) -> None:
    assert str(path) in str(refusal), f"this does not name the file: {refusal}"


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
