"""One-dimensional arrays and attributes in HDF5, which are checked before any of their data are read.

Metadata may promise what was never stored, or name other files and filters. So a name, type, shape, layout, filter or
size that no shard has is refused first, by what the file's own length allows; then HDF5's library reads.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import h5py  # type: ignore[import-untyped]
import numpy as np
from h5py import h5a, h5d, h5f, h5l, h5p, h5s, h5t, h5z
from numpy.typing import NDArray

from buffers.storage.layout import Layout, check_layout

Attribute = str | int | float

HEADER_BYTES = 512
"""Of a shard's own header, HDF5's user block."""

CHUNK = 65_536
"""Elements; a whole column of a typical shard, so few chunks to look up."""

NARROW = np.dtype(np.uint16)
"""What token ids are stored as where all of them fit."""

TOKEN_IDS = ("tokens", "source_tokens")
CONTIGUOUS = ("tokens",)
"""Where narrow they are not compressed: two bytes are little more, and are read at the speed of the disk."""

MOST_INFLATED = 100
"""Bytes of arrays per byte of file, beyond ``ALWAYS_INFLATED``; trajectories have about 3."""

ALWAYS_INFLATED = 1 << 24
"""Bytes of arrays that any file may have."""

MOST_TEXT = 4_000
"""Bytes of a text, with which its attribute fits the 4,096 bytes that HDF5 keeps with others."""

SUM = "sum64"
"""Attribute of what is not compressed, which would else lack gzip's check: :func:`_sum64`."""

CONTENTS = "contents_sha256"
"""Attribute of the file: :func:`contents_sha256`."""

FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_LZF, h5z.FILTER_SZIP}
"""Lossless, and built in: for any other number HDF5 looks for a library and runs it."""

NUMBERS = {
    "int": (h5t.INTEGER, np.int64, h5t.NATIVE_INT64),
    "uint": (h5t.INTEGER, np.uint64, h5t.NATIVE_UINT64),
    "float": (h5t.FLOAT, np.float64, h5t.NATIVE_DOUBLE),
}
"""Class in the file and type in memory of an attribute that is a number."""


@dataclass(frozen=True)
class File:
    """An open HDF5 file.

    Attributes:
        handle: Its low-level identifier, which costs half of what ``h5py.File`` does.
        size: Bytes of the file.
        rewritten: Whether it has another size than its header records, so that another program wrote it.
        datasets: Those that were asked for, by name.
    """

    handle: h5f.FileID
    size: int
    rewritten: bool
    datasets: dict[str, Dataset] = field(default_factory=dict)


class Dataset(NamedTuple):
    """A dataset of a file.

    Attributes:
        handle: Its low-level identifier.
        dtype: Of its elements.
        shape: Of all of them; asked of HDF5 once, as each question costs as much as reading a short array.
        created: How it is stored.
    """

    handle: h5d.DatasetID
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    created: h5p.PropDCID

    @property
    def nbytes(self) -> int:
        """Of the array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


def encode(arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Attribute]) -> memoryview:
    """An HDF5 file of these in memory, without its user block; the same bytes for the same contents.

    In memory because a unit of Grow work fits there, and because HDF5 itself fails badly on a full disk.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110"), userblock_size=HEADER_BYTES) as file:
        for name, value in {**attributes, CONTENTS: contents_sha256(attributes, arrays)}.items():
            file.attrs[name] = _fixed_text(value) if isinstance(value, str) else value
        for name, array in arrays.items():
            _store(file, name, array)
    return memoryview(buffer.getvalue())[HEADER_BYTES:]


def contents_sha256(attributes: Mapping[str, Attribute], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Digest of what a file says, however its bytes are laid out, compressed or narrowed."""
    digest = hashlib.sha256(json.dumps(dict(attributes), sort_keys=True, default=int).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {len(array)}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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
    datasets = {name: _dataset(file, name) for name in layout}
    stored = {
        name: (NARROW if name in TOKEN_IDS and datasets[name].dtype == NARROW else dtype, axis)
        for name, (dtype, axis) in layout.items()
    }
    sizes = check_layout(owner, datasets, stored)
    total = sum(max(_check_storage(name, dataset), dataset.nbytes) for name, dataset in datasets.items())
    if total > ALWAYS_INFLATED + MOST_INFLATED * file.size:
        raise ValueError(f"its {file.size} bytes promise arrays of {total} bytes")
    return sizes


def check_contents(file: File, attributes: Mapping[str, Attribute], layout: Layout) -> None:
    """Compare what a file says with its digest: all that vouches for one that another program rewrote.

    Args:
        file: Whose arrays passed :func:`check`.
        attributes: All that the digest covers, and the digest.
        layout: Of all arrays.

    Raises:
        ValueError: If they differ.
    """
    arrays = {name: array.astype(layout[name][0], copy=False) for name, array in read(file, layout).items()}
    covered = {name: value for name, value in attributes.items() if name != CONTENTS}
    if contents_sha256(covered, arrays) != attributes[CONTENTS]:
        raise ValueError(f"its contents do not have the {CONTENTS} that it records")


def read(file: File, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Arrays that passed :func:`check`, whole, as they are stored.

    Raises:
        ValueError: If one is not what it should be.
        OSError: If HDF5 cannot read it.
    """
    return {name: _load(name, file) for name in names}


def read_attributes(file: File, kinds: Mapping[str, str]) -> dict[str, Attribute]:
    """Attributes of the file by name, each "str", "int" or "float".

    Raises:
        ValueError: If one is missing or of another kind.
    """
    return {name: _attribute(file.handle, name, kind) for name, kind in kinds.items()}


def _attribute(owner: h5f.FileID | h5d.DatasetID, name: str, kind: str) -> Any:
    if h5a.exists(owner, name.encode()):
        attribute = h5a.open(owner, name.encode())
        stored = attribute.get_type()
        # h5py would write all elements of an array behind the one that there is room for.
        single = attribute.get_space().get_simple_extent_type() == h5s.SCALAR
        if single and kind == "str" and stored.get_class() == h5t.STRING and not stored.is_variable_str():
            if stored.get_size() > MOST_TEXT:
                raise ValueError(f"its attribute {name!r} has {stored.get_size()} bytes, above {MOST_TEXT}")
            text = np.empty((), f"S{stored.get_size()}")
            attribute.read(text, stored)
            return text.item().decode()
        if single and kind != "str" and stored.get_class() == NUMBERS[kind][0]:
            number = np.empty((), NUMBERS[kind][1])
            attribute.read(number, NUMBERS[kind][2])
            return number.item()
    raise ValueError(f"its attribute {name!r} is missing or no {kind}")


def _dataset(file: File, name: str) -> Dataset:
    if name not in file.datasets:
        links = file.handle.links
        if not links.exists(name.encode()):
            raise ValueError(f"{name!r} is missing")
        if links.get_info(name.encode()).type != h5l.TYPE_HARD:
            raise ValueError(f"{name!r} is a link to elsewhere")
        handle = h5d.open(file.handle, name.encode())
        file.datasets[name] = Dataset(handle, handle.dtype, handle.shape, handle.get_create_plist())
    return file.datasets[name]


def _check_storage(name: str, dataset: Dataset) -> int:
    """Bytes that HDF5 allocates to read a chunk of the array; 0 where it lies in one piece."""
    created, stored = dataset.created, dataset.handle.get_storage_size()
    layout = created.get_layout()
    if layout not in (h5d.CHUNKED, h5d.CONTIGUOUS, h5d.COMPACT) or created.get_external_count():
        raise ValueError(f"{name!r} is stored in another file")
    if layout != h5d.CHUNKED:
        if stored != dataset.nbytes:
            raise ValueError(f"{name!r} is not stored whole")
        return 0
    filters = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    # A filter that is there twice would inflate a thousandfold twice.
    if not FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
        raise ValueError(f"{name!r} has the filters {filters}; only gzip, LZF, szip, shuffle and Fletcher-32 are read")
    length = created.get_chunk()[0]
    size: int = length * dataset.dtype.itemsize
    chunks = -(-dataset.shape[0] // length)
    if dataset.handle.get_num_chunks() != chunks:
        raise ValueError(f"{name!r} lacks a chunk")
    if stored > chunks * (size + size // 100 + 1_024):  # what does not compress grows by less
        raise ValueError(f"{name!r} takes {stored} bytes in {chunks} chunks of {size}")
    return size


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
    dataset = _dataset(file, name)
    array = np.empty(dataset.shape, dataset.dtype)
    dataset.handle.read(h5s.ALL, h5s.ALL, array)
    # In a rewritten file the digest of the contents stands in for the sum, which a change of layout may have lost.
    summed = not file.rewritten and dataset.created.get_layout() != h5d.CHUNKED
    if summed and _attribute(dataset.handle, SUM, "uint") != _sum64(array):
        raise ValueError(f"{name!r} does not have the sum that it was stored with")
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError(f"{name!r} has truth values that are neither 0 nor 1")
    return array


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
