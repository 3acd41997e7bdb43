"""A slice of the buffer as a Hugging Face data set, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from buffers.interop import rows
from buffers.interop.atomic_write import atomic_write
from buffers.interop.tables import columns, schema_of, table_of, trajectories_of
from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories
from seq2seq_env.extras import require
from seq2seq_env.tokenization.tokenizer import Tokenizer


def to_datasets(
    data: Slice,
    folder: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    description: str = "",
    progress: bool = False,
) -> Any:
    """Write a slice as a folder that ``datasets.load_from_disk`` reads.

    What a table cannot hold: which shard a trajectory is of.

    Args:
        data: Read in pieces.
        folder: To make.
        tokenizer: Adds the decoded texts.
        description: The ``description`` of the data set's ``info``.
        progress: Show trajectories done, rate and time left.

    Returns:
        The ``datasets.Dataset``, loaded from there; its features are typed, and its rows stay on disk.

    Raises:
        FileExistsError: If there is such a folder.
        ImportError: If datasets is not installed.
        OSError: If it cannot be written; nothing is left behind.
    """
    arrow, datasets = require("pyarrow", "the format datasets"), require("datasets", "the format datasets")
    schema = schema_of(arrow, texts=tokenizer is not None)
    folder = Path(folder)
    # The library writes a folder only from a data set, and holds one in memory unless it lies in a file.
    with atomic_write(folder) as partial, TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        file = Path(scratch, "rows.arrow")
        with arrow.OSFile(str(file), "wb") as stream, arrow.ipc.new_stream(stream, schema) as writer:
            for part in rows.chunks(data, progress=progress):
                writer.write_table(table_of(arrow, schema, part, tokenizer))
        dataset = datasets.Dataset.from_file(str(file), info=datasets.DatasetInfo(description=description))
        with _without_bars(datasets):
            # Left to itself, it writes nothing at all for no rows, and fails.
            dataset.save_to_disk(partial, num_shards=None if len(dataset) else 1)
    return datasets.load_from_disk(folder)


def from_datasets(dataset: Any) -> Trajectories:
    """The trajectories of a ``datasets.Dataset`` as :func:`to_datasets` makes it, filtered, shuffled or not.

    Other columns are left out.

    Raises:
        ImportError: If pyarrow is not installed.
        ValueError: If a column is missing, of another type or holds nulls, or a trajectory is impossible.
    """
    arrow = require("pyarrow", "the format datasets")
    names = columns(arrow, dataset.features.arrow_schema)
    tables = dataset.select_columns(names).with_format("arrow").iter(rows.CHUNK)
    return rows.join_all(trajectories_of(arrow, table) for table in tables)


@contextmanager
def _without_bars(datasets: Any) -> Iterator[None]:
    """The library's own progress bars would stand below ours."""
    shown = not datasets.utils.are_progress_bars_disabled()
    datasets.utils.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.utils.enable_progress_bars()
