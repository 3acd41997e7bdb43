"""Shards as somebody who means harm, or a failing disk, would make them: real ones, changed in many ways.

HDF5 guards its metadata by checksums, and a shard's header guards the whole file. Whoever makes a file can compute
both anew, so a case leaves them as they were, or mends the header, or mends both: then the damage reaches whoever reads
the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from buffers import GrowingBatchBuffer, RescoredShard, Shard, ShardError
from buffers.admin.maintenance import describe
from buffers.storage.columns import NEEDED
from buffers.storage.trajectories import TRAJECTORIES_LAYOUT
from tests.fault_injection.shard_originals import (
    COLUMN,
    HEADER,
    NAME,
    REWARDS,
    Original,
    mend_checksums,
    with_header,
)

HARMED = "harmed the child"
"""Outcome of a case that was refused because its reader crashed, hung or ran out of memory."""


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


def exercise(case: Case, folder: Path, originals: Mapping[str, Original], verify: Callable[[Path], object]) -> str:
    """Have a file verified, and if it is accepted and not what it was made from, do all that a user would do with it.

    Args:
        case: The file.
        folder: Where to put it, in the place of the case before.
        originals: What it was made from, and the shard to put beside a file of rewards.
        verify: Reads it first.

    Returns:
        "accepted", "refused" or ``HARMED``.

    Raises:
        AssertionError: If it is refused in another way than by naming the file, or accepted though it should not be.
        Exception: Whatever a use raises of what was accepted; it should not.
    """
    shard, rewards = folder / NAME, folder / "scores" / COLUMN / NAME
    rewards.parent.mkdir(parents=True, exist_ok=True)
    for file in (shard, rewards):  # some file systems write to disk what is cut and written again
        file.unlink(missing_ok=True)
    of_rewards = case.original == REWARDS
    shard.write_bytes(originals["several"].content if of_rewards else case.content)
    if of_rewards:
        rewards.write_bytes(case.content)
    path = rewards if of_rewards else shard
    try:
        verify(path)
    except ShardError as refusal:
        _check_refusal(path, refusal)
        return HARMED if "hostile" in str(refusal) else "refused"
    original = originals[case.original].content
    under_its_header = len(case.content) == len(original) and case.content[:HEADER] == original[:HEADER]
    assert case.content == original or not under_its_header, "verify accepts a changed file"
    if case.content == original:
        return "accepted"
    if of_rewards:
        _use_rewards(path, RescoredShard(Shard.open(shard), COLUMN))
    else:
        _use_shard(path)
    return "accepted"


def _use_shard(path: Path) -> None:
    shard, buffer = Shard.open(path), path.parent
    _use(
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


def _use_rewards(path: Path, column: RescoredShard) -> None:
    buffer = column.shard.path.parent
    _use(
        path,
        {
            "fingerprint": column.scorer_fingerprint,
            "column": lambda: column.column("reward"),
            "read": column.read,
            "verify": column.verify,
            "batches": lambda: list(GrowingBatchBuffer(buffer).select(scorer=COLUMN).batches(4_096, seed=0)),
        },
    )


def _use(path: Path, uses: Mapping[str, Callable[[], object]]) -> None:
    refused = {name for name, use in uses.items() if _refuses(use, path)}
    # A folder may refuse a file that is whole, for a name that does not fit it.
    assert refused <= {"describe", "batches"}, f"{refused} refuse what was accepted"


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
