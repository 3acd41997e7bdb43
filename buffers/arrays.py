"""One-dimensional arrays and attributes in HDF5, read as data that somebody else may have made.

A hostile file can make HDF5 allocate what it never stored, or inflate a kilobyte to a gigabyte. So only two kinds of
storage are read, both bounded: plain contiguous numbers, and chunks under shuffle and gzip that are inflated here.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from buffers.container import HEADER_BYTES
from buffers.layout import Layout, check_layout

Attribute = str | int | float

CHUNK = 65_536
"""Elements; a whole column of a typical shard, so few chunks to look up."""

NARROW = np.dtype(np.uint16)
"""What token ids are stored as where all of them fit."""

TOKEN_IDS = ("tokens", "source_tokens")
CONTIGUOUS = ("tokens",)
"""Where narrow they are not compressed: two bytes are little more, and are read at the speed of the disk."""

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


def check(owner: str, file: Any, layout: Layout) -> dict[str, int]:
    """Sizes of the axes of a file's arrays, if all of them are plain arrays of the layout.

    Args:
        owner: What errors call it.
        file: An open HDF5 file.
        layout: Of the arrays; token ids may be narrow.

    Raises:
        TypeError: If a dtype is another.
        ValueError: If an array is missing, a link, stored elsewhere or in another way, or of a wrong length.
    """
    datasets = {name: _dataset(file, name) for name in layout}
    stored = {
        name: (NARROW if name in TOKEN_IDS and datasets[name].dtype == NARROW else dtype, axis)
        for name, (dtype, axis) in layout.items()
    }
    sizes = check_layout(owner, datasets, stored)
    for name, dataset in datasets.items():
        _check_storage(name, dataset)
    return sizes


def read(file: Any, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Arrays that passed :func:`check`, whole, as they are stored.

    Raises:
        ValueError: If a chunk is not what it should be.
        OSError: If HDF5 cannot read it.
    """
    return {name: _load(name, file[name]) for name in names}


def read_attributes(file: Any, kinds: Mapping[str, str]) -> dict[str, Attribute]:
    """Attributes of the file by name, each "str", "int" or "float".

    Raises:
        ValueError: If one is missing or of another kind.
    """
    readers: dict[str, Callable[[Any], Attribute]] = {
        "str": lambda value: bytes(value).decode(),
        "int": int,
        "float": float,
    }
    missing = sorted(set(kinds) - set(file.attrs))
    if missing:
        raise ValueError(f"its attribute {missing[0]!r} is missing")
    return {name: readers[kind](file.attrs[name]) for name, kind in kinds.items()}


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


def _dataset(file: Any, name: str) -> Any:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name!r} is missing or a link")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise ValueError(f"{name!r} is not a dataset within the file")
    return dataset


def _check_storage(name: str, dataset: Any) -> None:
    filters = dataset.id.get_create_plist().get_nfilters()
    if dataset.chunks is None:
        if filters or dataset.id.get_storage_size() != dataset.nbytes:
            raise ValueError(f"{name!r} is not stored whole")
    elif not (dataset.compression == "gzip" and dataset.shuffle and filters == 2 and dataset.chunks[0] <= CHUNK):
        raise ValueError(f"{name!r} is not stored in chunks of at most {CHUNK} under shuffle and gzip")
    elif dataset.id.get_num_chunks() != -(-dataset.shape[0] // dataset.chunks[0]):
        raise ValueError(f"{name!r} lacks chunks")


def _load(name: str, dataset: Any) -> NDArray[Any]:
    if dataset.chunks is None:
        path, place = dataset.file.filename, dataset.id.get_offset()
        if place is None or place + dataset.nbytes > Path(path).stat().st_size:
            raise ValueError(f"{name!r} reaches beyond the end of the file")
        array = np.fromfile(path, dataset.dtype, dataset.shape[0], offset=place)
        if _sum64(array) != dataset.attrs.get(SUM):
            raise ValueError(f"{name!r} does not have the sum that it was stored with")
        return array
    size, length = dataset.dtype.itemsize, dataset.chunks[0]
    parts = []
    for start in range(0, dataset.shape[0], length):
        stored, content = dataset.id.read_direct_chunk((start,))
        if stored != 0:
            raise ValueError(f"{name!r} has a chunk that was not filtered")
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(content, length * size)
        except zlib.error as error:
            raise ValueError(f"{name!r} has a chunk that does not inflate: {error}") from error
        if len(plain) != length * size or inflater.unconsumed_tail:
            raise ValueError(f"{name!r} has a chunk of another size")
        # The shuffle filter puts first bytes first, then all second bytes, and so on.
        parts.append(np.frombuffer(plain, np.uint8).reshape(size, length).T.reshape(-1).view(dataset.dtype))
    return np.concatenate(parts)[: dataset.shape[0]]


def _sum64(array: NDArray[Any]) -> np.uint64:
    """Sum modulo 2^64 of the bytes taken as little-endian uint64, zeros at the end; at the speed of the memory."""
    content = array.view(np.uint8)
    whole = len(content) // 8 * 8
    tail = np.zeros(8, np.uint8)
    tail[: len(content) - whole] = content[whole:]
    return np.uint64(content[:whole].view("<u8").sum(dtype=np.uint64) + tail.view("<u8")[0])


def _fixed_text(text: str) -> NDArray[np.bytes_]:
    """UTF-8 text of fixed length: HDF5 aborts the process or never returns on damaged text of variable length."""
    content = text.encode()
    return np.array(content, dtype=h5py.string_dtype("utf-8", max(1, len(content))))
