"""Where HDF5 keeps the links or attributes of an object that has many: a fractal heap, and a B-tree of their places."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from buffers.storage.pieces import UNDEFINED, Pieces

WIDTH = 4
"""Blocks in a row of the heap's table."""

MOST_ROWS = 8
"""Of the table: the blocks of later rows are longer than metadata may be."""

LINK_RECORD = (5, 11, slice(4, 11))
ATTRIBUTE_RECORD = (8, 17, slice(0, 8))
"""Type and bytes of a record of the B-tree, and where in it an object's place in the heap stands."""

Record = tuple[int, int, slice]


def objects(pieces: Pieces, heap: int, names: int, record: Record) -> Iterator[bytes]:
    """The messages in a heap.

    Args:
        pieces: Of the file.
        heap: Address of the heap.
        names: Address of the B-tree.
        record: What the B-tree is made of.

    Raises:
        ValueError: If they are damaged, or kept in another way than HDF5 keeps a shard's.
    """
    offset_width, blocks = _blocks(pieces, heap)
    for place in _places(pieces, names, record):
        offset = int.from_bytes(place[1 : 1 + offset_width], "little")
        length = int.from_bytes(place[1 + offset_width :], "little")
        if place[0]:
            raise ValueError("it has texts beyond the blocks of its heap")
        pieces.spend(length)
        found = [block[offset - first :][:length] for first, block in blocks if 0 <= offset - first < len(block)]
        if not found or len(found[0]) != length:
            raise ValueError("its heap lacks a name")
        yield found[0]


def _places(pieces: Pieces, address: int, record: Record) -> Iterator[bytes]:
    """Places in the heap, from a B-tree that is one leaf."""
    kind, size, part = record
    header = pieces.metadata(address, b"BTHD", 34)
    version, found, _, found_size, depth, _, _, root, count, _ = struct.unpack("<BBIHHBBQHQ", header[4:])
    if (version, found, found_size, depth) != (0, kind, size, 0):
        raise ValueError("its names are in another tree")
    leaf = pieces.metadata(root, b"BTLF", 6 + count * size)[6:]
    for at in range(0, len(leaf), size):
        yield leaf[at : at + size][part]


def _blocks(pieces: Pieces, address: int) -> tuple[int, list[tuple[int, bytes]]]:
    """Bytes of an offset into the heap, and its blocks with the offset at which each begins."""
    header = pieces.metadata(address, b"FRHP", 142)
    version, _, filters, flags, _, *_, width, start, _, bits, _, root, rows = struct.unpack(
        "<BHHBI12QHQQHHQH", header[4:]
    )
    checksummed = flags & 2
    if version or filters or not checksummed or width != WIDTH or rows > MOST_ROWS or bits not in (32, 40):
        raise ValueError("its names are in another heap")
    prefix = 13 + bits // 8
    sizes, places = [start], [root]
    if rows:
        sizes = [start << max(0, row - 1) for row in range(rows) for _ in range(WIDTH)]
        children = pieces.metadata(root, b"FHIB", prefix + 8 * len(sizes))[prefix:]
        places = [place for (place,) in struct.iter_unpack("<Q", children)]
    blocks, first = [], 0
    for place, size in zip(places, sizes, strict=True):
        if place != UNDEFINED:
            blocks.append((first, pieces.heap_block(place, size, prefix)))
        first += size
    return bits // 8, blocks
