"""The part of HDF5 that a shard is stored in, read without HDF5's library.

A shard from elsewhere is data that somebody else may have made, and HDF5's library does what its metadata say: it
allocates, loops, opens other files and loads filters as told. So shards are written by that library and read here,
where every address lies within the file, every length has a bound, and whatever a shard never holds is refused.
Signatures, message numbers and fields are those of the *HDF5 File Format Specification Version 3.0*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

import numpy as np

from buffers.storage.heap import ATTRIBUTE_RECORD, LINK_RECORD, Record, objects
from buffers.storage.pieces import BASE, UNDEFINED, Pieces

Attribute = str | int | float

ENTRIES_PER_PAGE = 1_024
"""Of a fixed array, beyond which HDF5 stores it in pages."""

(
    NIL,
    DATASPACE,
    LINK_INFO,
    DATATYPE,
    FILL,
    LINK,
    LAYOUT,
    GROUP_INFO,
    FILTERS,
    ATTRIBUTE,
    CONTINUATION,
    ATTRIBUTE_INFO,
) = (0, 1, 2, 3, 5, 6, 8, 10, 11, 12, 16, 21)
OF_GROUP = {NIL, LINK_INFO, LINK, GROUP_INFO, ATTRIBUTE, CONTINUATION, ATTRIBUTE_INFO}
OF_DATASET = {NIL, DATASPACE, DATATYPE, FILL, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, ATTRIBUTE_INFO}

DTYPES = {
    bytes.fromhex(encoded): np.dtype(name)
    for name, encoded in {
        "int64": "100800000800000000004000",
        "int32": "100800000400000000002000",
        "uint16": "100000000200000000001000",
        "uint64": "100000000800000000004000",
        "float32": "11201f000400000000002000170800177f000000",
        "float64": "11203f000800000000004000340b0034ff030000",
        "bool": "380200000100000010080000010000000000080046414c53450054525545000001",
    }.items()
}
"""Number types as HDF5 encodes them, all little-endian."""

TIMES = 0x20
"""Flag of an object that records when it was made, as h5py below 3.15 has the root do."""

SCALAR = b"\2\0\0\0"
PLAIN_SPACES = ((b"\2\1\0\1", 12), (b"\2\1\1\1", 20))
"""Beginning and size of a shape of one length, without and with the length it may grow to."""

SHUFFLE_GZIP = "<BBHHHIHHH"
"""The filters, but for the level of compression: version, number, then name, flags and number of values of each."""


@dataclass(frozen=True)
class Dataset:
    """Where a one-dimensional array lies.

    Attributes:
        dtype: Of its elements.
        shape: One length.
        attrs: Its attributes.
        plain: Whether it lies in one piece as it is, and not in chunks under shuffle and gzip.
        chunk: Elements of a chunk, at least 1.
        address: Of the piece, of the only chunk, or of the index of the chunks.
        stored: Bytes of the piece or of the only chunk; None where there is an index.
    """

    dtype: np.dtype[Any]
    shape: tuple[int]
    attrs: dict[str, Attribute | None]
    plain: bool
    chunk: int
    address: int
    stored: int | None

    @property
    def nbytes(self) -> int:
        """Of the array in memory."""
        return self.shape[0] * self.dtype.itemsize


class File:
    """An HDF5 file after a header: attributes and datasets of its root.

    Args:
        raw: The whole file.
        size: Its bytes.

    Attributes:
        size: Bytes of the file.

    Raises:
        ValueError: If it is not stored as a shard is, or damaged.
    """

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self.size, self._pieces = size, Pieces(raw, size)
        self._datasets: dict[str, Dataset] = {}
        block = self._pieces.metadata(0, b"\x89HDF", 44)
        # Version 3, no extension: so no cached, shared or moved metadata.
        expected = struct.pack("<8sBBBBQQQ", b"\x89HDF\r\n\x1a\n", 3, 8, 8, 0, BASE, UNDEFINED, size)
        if block[:36] != expected:
            raise ValueError("it does not begin as HDF5 begins it")
        self._root = list(self._messages(int.from_bytes(block[36:], "little"), OF_GROUP))

    @cached_property
    def attrs(self) -> dict[str, Attribute | None]:
        """Attributes of the root by name; None where a value is neither one text of fixed length nor one number."""
        return self._attributes(self._root)

    @cached_property
    def _links(self) -> dict[str, int]:
        return dict(map(_link, self._of_kind(self._root, LINK, LINK_INFO, LINK_RECORD)))

    def dataset(self, name: str) -> Dataset:
        """A dataset of the root.

        Raises:
            ValueError: If there is none, or it is stored in another way than a shard's.
        """
        if name not in self._links:
            raise ValueError(f"{name!r} is missing")
        if name not in self._datasets:
            try:
                self._datasets[name] = self._dataset(self._links[name])
            except ValueError as error:
                raise ValueError(f"{name!r} is not stored as a shard's arrays are: {error}") from error
        return self._datasets[name]

    def stored(self, dataset: Dataset) -> Iterator[bytes]:
        """The piece or the compressed chunks of a dataset, in order.

        Raises:
            ValueError: If one is missing, or longer than gzip would make it.
        """
        plain = dataset.chunk * dataset.dtype.itemsize
        longest = plain + plain // 64 + 64
        for address, size in self._places(dataset):
            if size > longest:
                raise ValueError(f"a chunk of {plain} bytes takes {size}")
            yield self._pieces.read(address, size)

    def _dataset(self, address: int) -> Dataset:
        messages = list(self._messages(address, OF_DATASET))
        fields = dict(messages)
        if not {DATASPACE, DATATYPE, LAYOUT} <= set(fields):
            raise ValueError("no array")
        space, layout, filters = fields[DATASPACE], fields[LAYOUT], fields.get(FILTERS)
        dtype = DTYPES.get(fields[DATATYPE])
        if dtype is None:
            raise ValueError("its elements are of another type")
        if (space[:4], len(space)) not in PLAIN_SPACES:
            raise ValueError("its shape is not one length")
        shape = (int.from_bytes(space[4:12], "little"),)
        attrs = self._attributes(messages)
        if layout[:2] in (b"\3\1", b"\4\1") and len(layout) == 18 and filters is None:
            start, stored = struct.unpack("<QQ", layout[2:])
            return Dataset(dtype, shape, attrs, True, max(1, shape[0]), start, stored)
        shuffle_gzip = struct.pack(SHUFFLE_GZIP, 2, 2, 2, 1, 1, dtype.itemsize, 1, 1, 1)
        if layout[:2] != b"\4\2" or filters is None or filters[:-4] != shuffle_gzip:
            raise ValueError("neither plain in one piece, nor in chunks under shuffle and gzip")
        return Dataset(dtype, shape, attrs, False, *_chunked(layout, dtype.itemsize))

    def _places(self, dataset: Dataset) -> Iterator[tuple[int, int]]:
        """Addresses and sizes of the chunks."""
        count = -(-dataset.shape[0] // dataset.chunk)
        if dataset.stored is not None:
            if count != 1:
                raise ValueError(f"it has 1 chunk of {count}")
            yield dataset.address, dataset.stored
            return
        header = self._pieces.metadata(dataset.address, b"FAHD", 24)
        version, client, entry, page_bits, entries, address = struct.unpack("<BBBBQQ", header[4:])
        if (version, client, 1 << page_bits % 64, entries) != (0, 1, ENTRIES_PER_PAGE, count) or not 13 <= entry <= 20:
            raise ValueError(f"the index of its {count} chunks is another")
        for block in self._index(address, count, entry):
            for at in range(0, len(block), entry):
                place, size = block[at : at + 8], block[at + 8 : at + entry - 4]
                if place == b"\xff" * 8 or any(block[at + entry - 4 : at + entry]):
                    raise ValueError("it lacks a chunk, or has one without its filters")
                yield int.from_bytes(place, "little"), int.from_bytes(size, "little")

    def _index(self, address: int, count: int, entry: int) -> Iterator[bytes]:
        """The entries of a fixed array, page by page."""
        if count <= ENTRIES_PER_PAGE:
            yield self._pieces.metadata(address, b"FADB", 14 + count * entry)[14:]
            return
        pages = -(-count // ENTRIES_PER_PAGE)
        prefix = 14 + -(-pages // 8)
        self._pieces.metadata(address, b"FADB", prefix)
        address += prefix + 4
        for page in range(pages):
            size = entry * min(ENTRIES_PER_PAGE, count - page * ENTRIES_PER_PAGE)
            yield self._pieces.metadata(address, b"", size)
            address += size + 4

    def _messages(self, address: int, allowed: set[int]) -> Iterator[tuple[int, bytes]]:
        """What an object's header says, by kind."""
        head = self._pieces.read(address, 30)
        version, flags = head[4:6]
        if version != 2 or flags & ~(3 | TIMES):
            raise ValueError("an object's header is of another kind")
        start = 22 if flags & TIMES else 6
        end = start + (1 << (flags & 3))
        length = int.from_bytes(head[start:end], "little")
        blocks = [self._pieces.metadata(address, b"OHDR", end + length)[end:]]
        for block in blocks:
            at = 0
            while at + 4 <= len(block):
                kind, size, flags = struct.unpack_from("<BHB", block, at)
                body = block[at + 4 : at + 4 + size]
                if kind not in allowed or flags & 2 or len(body) != size:
                    raise ValueError(f"an object's header has a message {kind} that a shard's has not")
                if kind == CONTINUATION:
                    start, extent = (int.from_bytes(part, "little") for part in (body[:8], body[8:]))
                    blocks.append(self._pieces.metadata(start, b"OCHK", extent - 4)[4:])
                yield kind, body
                at += 4 + size

    def _attributes(self, messages: list[tuple[int, bytes]]) -> dict[str, Attribute | None]:
        return dict(map(_attribute, self._of_kind(messages, ATTRIBUTE, ATTRIBUTE_INFO, ATTRIBUTE_RECORD)))

    def _of_kind(self, messages: list[tuple[int, bytes]], kind: int, info: int, record: Record) -> Iterator[bytes]:
        """Links or attributes: the few in the object's header, or the many in its heap."""
        for found, body in messages:
            if found == kind:
                yield body
            elif found == info:
                if len(body) != 18 or body[:2] != b"\0\0":
                    raise ValueError("its names are kept in another order")
                heap, names = struct.unpack("<QQ", body[2:])
                if heap != UNDEFINED:
                    yield from objects(self._pieces, heap, names, record)


def _link(body: bytes) -> tuple[str, int]:
    """Name and address of a hard link."""
    length = body[2] if len(body) > 2 else 0
    if body[:2] != b"\1\0" or len(body) != 3 + length + 8:
        raise ValueError("it holds a link to elsewhere")
    return body[3 : 3 + length].decode(), int.from_bytes(body[3 + length :], "little")


def _attribute(body: bytes) -> tuple[str, Attribute | None]:
    """Name and value."""
    if len(body) < 9 or body[:2] != b"\3\0":
        raise ValueError("it has an attribute of another version")
    name_size, type_size, space_size = struct.unpack("<HHH", body[2:8])
    ends = [*accumulate((9, name_size, type_size, space_size)), None]
    name, kind, space, content = (body[start:end] for start, end in pairwise(ends))
    return name.rstrip(b"\0").decode(), _scalar(kind, content) if space == SCALAR else None


def _scalar(kind: bytes, content: bytes) -> Attribute | None:
    if kind[:1] == b"\x13" and len(kind) == 8 and int.from_bytes(kind[4:], "little") == len(content):
        return content.rstrip(b"\0").decode()
    dtype = DTYPES.get(kind)
    if dtype is None or dtype.itemsize != len(content):
        return None
    value: int | float = np.frombuffer(content, dtype)[0].item()
    return value


def _chunked(layout: bytes, itemsize: int) -> tuple[int, int, int | None]:
    """Chunk length, address, and bytes of the chunk where it is the only one."""
    flags, axes, width = layout[2:5]
    chunk, element = (int.from_bytes(layout[5 + i * width :][:width], "little") for i in range(2))
    index = layout[5 + 2 * width :]
    if axes != 2 or not 1 <= width <= 8 or element != itemsize or chunk < 1:
        raise ValueError("its chunks have another shape")
    if flags == 2 and index[:1] == b"\1" and len(index) == 21:
        size, mask, address = struct.unpack("<QIQ", index[1:])
        if mask or address == UNDEFINED:
            raise ValueError("it lacks a chunk, or has one without its filters")
        return chunk, address, size
    if flags == 0 and index[:1] == b"\3" and len(index) == 10:
        return chunk, int.from_bytes(index[2:], "little"), None
    raise ValueError("its chunks are found in another way")
