"""One-dimensional arrays and attributes in HDF5: written by its library, read by :mod:`buffers.storage.hdf5`.

A hostile file can promise what it never stored, or inflate a kilobyte to a gigabyte. So only two kinds of storage are
read, both bounded: plain contiguous numbers, and chunks under shuffle and gzip that are inflated here.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from buffers.storage.container import HEADER_BYTES
from buffers.storage.hdf5 import Attribute, Dataset, File
from buffers.storage.layout import Layout, check_layout

CHUNK = 65_536
"""Elements; a whole column of a typical shard, so few chunks to look up."""

NARROW = np.dtype(np.uint16)
"""What token ids are stored as where all of them fit."""

TOKEN_IDS = ("tokens", "source_tokens")
CONTIGUOUS = ("tokens",)
"""Where narrow they are not compressed: two bytes are little more, and are read at the speed of the disk."""

MOST_INFLATED = 100
"""Bytes of arrays to a byte of file, beyond ``ALWAYS_INFLATED``; trajectories have about 3."""

ALWAYS_INFLATED = 1 << 24
"""Bytes of arrays that any file may have."""

MOST_TEXT = 4_000
"""Bytes of a text, with which its attribute fits the 4,096 bytes that HDF5 keeps with others."""

SUM = "sum64"
"""Attribute of what is not compressed, which would else lack gzip's check: :func:`_sum64`."""


def encode(arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Attribute]) -> memoryview:
    """An HDF5 file of these in memory, without its user block; the same bytes for the same contents.

    In memory because a unit of Grow work fits there, and because HDF5 itself fails badly on a full disk.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110"), userblock_size=HEADER_BYTES) as file:
        for name, value in attributes.items():
            file.attrs[name] = _fixed_text(value) if isinstance(value, str) else value
        for name, array in arrays.items():
            _store(file, name, array)
    return buffer.getbuffer()[HEADER_BYTES:]


def check(owner: str, file: File, layout: Layout) -> dict[str, int]:
    """Sizes of the axes of a file's arrays, if all of them are plain arrays of the layout.

    Args:
        owner: What errors call it.
        file: An open file.
        layout: Of the arrays; token ids may be narrow.

    Raises:
        TypeError: If a dtype is another.
        ValueError: If an array is missing, stored elsewhere or in another way, of a wrong length, or huge.
    """
    datasets = {name: file.dataset(name) for name in layout}
    stored = {
        name: (NARROW if name in TOKEN_IDS and datasets[name].dtype == NARROW else dtype, axis)
        for name, (dtype, axis) in layout.items()
    }
    sizes = check_layout(owner, datasets, stored)
    for name, dataset in datasets.items():
        if dataset.plain and dataset.stored != dataset.nbytes:
            raise ValueError(f"{name!r} is not stored whole")
        if not dataset.plain and dataset.chunk > CHUNK:
            raise ValueError(f"{name!r} is in chunks of {dataset.chunk} elements, above {CHUNK}")
    total = sum(dataset.nbytes for dataset in datasets.values())
    if total > ALWAYS_INFLATED + MOST_INFLATED * file.size:
        raise ValueError(f"its {file.size} bytes promise arrays of {total} bytes")
    return sizes


def read(file: File, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Arrays that passed :func:`check`, whole, as they are stored.

    Raises:
        ValueError: If one is not what it should be.
        OSError: If the file cannot be read.
    """
    return {name: _load(name, file) for name in names}


def read_attributes(file: File, kinds: Mapping[str, str]) -> dict[str, Attribute]:
    """Attributes of the file by name, each "str", "int" or "float".

    Raises:
        ValueError: If one is missing or of another kind.
    """
    for name, kind in kinds.items():
        if type(file.attrs.get(name)).__name__ != kind:
            raise ValueError(f"its attribute {name!r} is missing or no {kind}")
    return {name: value for name, value in file.attrs.items() if name in kinds and value is not None}


def _store(file: Any, name: str, array: NDArray[Any]) -> None:
    narrow = name in TOKEN_IDS and array.size > 0 and array.min() >= 0 and array.max() <= np.iinfo(NARROW).max
    if narrow:
        array = array.astype(NARROW)
    if narrow and name in CONTIGUOUS:
        dataset = file.create_dataset(name, data=array, track_times=False)
        dataset.attrs[SUM] = _sum64(array)
        return
    file.create_dataset(
        name,
        data=array,
        chunks=(min(CHUNK, array.size),),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
        track_times=False,
    )


def _load(name: str, file: File) -> NDArray[Any]:
    dataset = file.dataset(name)
    if dataset.plain:
        array: NDArray[Any] = np.frombuffer(b"".join(file.stored(dataset)), dataset.dtype)
        if _sum64(array) != dataset.attrs.get(SUM):
            raise ValueError(f"{name!r} does not have the sum that it was stored with")
    else:
        array = np.concatenate([_inflated(name, content, dataset) for content in file.stored(dataset)])
        array = array[: dataset.shape[0]]
    if array.dtype == np.bool_ and array.view(np.uint8).max() > 1:
        raise ValueError(f"{name!r} has truth values that are neither 0 nor 1")
    return array


def _inflated(name: str, content: bytes, dataset: Dataset) -> NDArray[Any]:
    size, length = dataset.dtype.itemsize, dataset.chunk
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(content, length * size)
    except zlib.error as error:
        raise ValueError(f"{name!r} has a chunk that does not inflate: {error}") from error
    if len(plain) != length * size or inflater.unconsumed_tail:
        raise ValueError(f"{name!r} has a chunk of another size")
    # The shuffle filter puts first bytes first, then all second bytes, and so on.
    return np.frombuffer(plain, np.uint8).reshape(size, length).T.reshape(-1).view(dataset.dtype)


def _sum64(array: NDArray[Any]) -> np.uint64:
    """Sum modulo 2^64 of the bytes taken as little-endian uint64, zeros at the end; at the speed of the memory."""
    content = array.view(np.uint8)
    whole = len(content) // 8 * 8
    tail = np.zeros(8, np.uint8)
    tail[: len(content) - whole] = content[whole:]
    return np.uint64(content[:whole].view("<u8").sum(dtype=np.uint64) + tail.view("<u8")[0])


def _fixed_text(text: str) -> NDArray[np.bytes_]:
    """UTF-8 text of fixed length, which lies where the attribute does."""
    content = text.encode()
    if len(content) > MOST_TEXT:
        raise ValueError(f"a text of {len(content)} bytes cannot be stored ({text[:40]!r}...); at most {MOST_TEXT} can")
    return np.array(content, dtype=h5py.string_dtype("utf-8", max(1, len(content))))
