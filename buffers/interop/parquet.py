"""A slice of the buffer as a Parquet file, and back."""

from __future__ import annotations

from pathlib import Path

from buffers.interop import rows
from buffers.interop.atomic_write import atomic_write
from buffers.interop.tables import columns, schema_of, table_of, trajectories_of
from buffers.slices import Slice
from buffers.storage.trajectories import Trajectories
from seq2seq_env.extras import require
from seq2seq_env.tokenization.tokenizer import Tokenizer


def to_parquet(
    data: Slice,
    path: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    description: str = "",
    progress: bool = False,
) -> None:
    """Write a slice as a Parquet file, a row group every ``CHUNK`` trajectories, pages with checksums.

    What a table cannot hold: which shard a trajectory is of.

    Args:
        data: Read in pieces.
        path: The file to make.
        tokenizer: Adds the decoded texts.
        description: Kept in the file's metadata under that name.
        progress: Show trajectories done, rate and time left.

    Raises:
        FileExistsError: If there is a file.
        ImportError: If pyarrow is not installed.
        OSError: If it cannot be written; nothing is left behind.
    """
    arrow, parquet = require("pyarrow", "the format parquet"), require("pyarrow.parquet", "the format parquet")
    schema = schema_of(arrow, texts=tokenizer is not None).with_metadata({"description": description})
    with (
        atomic_write(Path(path)) as partial,
        parquet.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for part in rows.chunks(data, progress=progress):
            writer.write_table(table_of(arrow, schema, part, tokenizer))


def from_parquet(path: str | Path) -> Trajectories:
    """The trajectories of a file that :func:`to_parquet` wrote, or of one like it; other columns are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If pyarrow is not installed.
        ValueError: If it is corrupt, or a column is missing, of another type or holds nulls.
    """
    arrow, parquet = require("pyarrow", "the format parquet"), require("pyarrow.parquet", "the format parquet")
    path = Path(path)
    try:
        with path.open("rb") as raw, parquet.ParquetFile(raw, page_checksum_verification=True) as file:
            names = columns(arrow, file.schema_arrow)
            batches = file.iter_batches(rows.CHUNK, columns=names)
            return rows.join_all(trajectories_of(arrow, arrow.Table.from_batches([batch])) for batch in batches)
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(f"{str(path)!r} is corrupt or no table of trajectories: {error}; export it anew") from error
