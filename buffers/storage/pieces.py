"""Bytes of a file at addresses that the file itself gives, and the checksum that HDF5 puts behind its metadata."""

from __future__ import annotations

from typing import BinaryIO

BASE = 512
"""Where addresses count from: HDF5 begins after the header."""

UNDEFINED = (1 << 64) - 1
"""The address of what was never stored."""

MOST_METADATA = 1 << 16
"""Bytes of one piece of metadata; the largest block of the heaps in which groups are kept."""

MOST_METADATA_IN_ALL = 1 << 20
"""Bytes of metadata that a file may make its reader look at, beyond a share of its own size."""

MASK = 0xFFFFFFFF


class Pieces:
    """Reads pieces of a file, all of which lie within it.

    Args:
        raw: The whole file.
        size: Its bytes.
    """

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self._raw, self._size = raw, size
        # The indices of its chunks grow with a file: 16 bytes for a chunk of some hundred at the very least.
        self._left = MOST_METADATA_IN_ALL + size // 64

    def read(self, address: int, size: int) -> bytes:
        """Some bytes.

        Raises:
            ValueError: If they do not lie in the file.
        """
        if BASE + address + size > self._size:
            raise ValueError(f"its metadata lead to byte {BASE + address + size} of {self._size}")
        self._raw.seek(BASE + address)
        content = self._raw.read(size)
        if len(content) != size:
            raise ValueError("it was cut short while it was read")
        return content

    def metadata(self, address: int, signature: bytes, size: int) -> bytes:
        """Metadata that begin with their signature and are followed by their checksum, which is not counted.

        Raises:
            ValueError: If they are something else, too long, or damaged.
        """
        self.spend(size)
        block = self.read(address, size + 4)
        _check_metadata(block[:size], signature, block[size:])
        return block[:size]

    def heap_block(self, address: int, size: int, place: int) -> bytes:
        """A block of a heap, whose checksum lies within it and counts as zeros.

        Raises:
            ValueError: If it is something else, too long, or damaged.
        """
        self.spend(size)
        block = self.read(address, size)
        _check_metadata(block[:place] + bytes(4) + block[place + 4 :], b"FHDB", block[place : place + 4])
        return block

    def spend(self, size: int) -> None:
        """Count metadata that are about to be looked at: they may lead in circles.

        Raises:
            ValueError: If they are too long, by themselves or with all before.
        """
        self._left -= size
        if not 4 <= size <= MOST_METADATA or self._left < 0:
            raise ValueError(f"it has {size} bytes of metadata more, beyond what a shard has")


def lookup3(content: bytes) -> int:
    """Bob Jenkins' ``hashlittle`` of 2006 from 0: 32 bits, in which accidents show and intent does not."""
    a = b = c = (0xDEADBEEF + len(content)) & MASK
    words = memoryview(content + bytes(-len(content) % 12)).cast("I")
    for i in range(0, len(words) - 3, 3):
        a, b, c = a + words[i], b + words[i + 1], c + words[i + 2] & MASK
        a = (a - c & MASK) ^ (c << 4 & MASK | c >> 28)
        c += b
        b = (b - a & MASK) ^ (a << 6 & MASK | a >> 26)
        a += c
        c = (c - b & MASK) ^ (b << 8 & MASK | b >> 24)
        b += a
        a = (a - c & MASK) ^ (c << 16 & MASK | c >> 16)
        c += b
        b = (b - a & MASK) ^ (a << 19 & MASK | a >> 13)
        a += c
        c = (c - b & MASK) ^ (b << 4 & MASK | b >> 28)
        b += a
    a, b, c = a + words[-3] & MASK, b + words[-2] & MASK, c + words[-1] & MASK
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - (b << by & MASK | b >> (32 - by))) & MASK
        a, b, c = b, c, a
    return b


def _check_metadata(content: bytes, signature: bytes, checksum: bytes) -> None:
    if not content.startswith(signature) or lookup3(content) != int.from_bytes(checksum, "little"):
        raise ValueError("its metadata do not have their checksum")
