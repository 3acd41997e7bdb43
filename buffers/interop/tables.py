"""Trajectories as tables of Arrow, one row a trajectory: what Parquet files and Hugging Face data sets hold.

The columns are ``source_index`` (int64), ``source_tokens`` and ``target_tokens`` (lists of int32), ``log_prob`` (list
of float32, as long as the target), ``reward`` (float32), ``terminated`` and ``is_reference`` (bool). ``grow_step`` and
``candidate`` (int64, see :class:`buffers.interop.rows.Chunk`) follow, and with a tokenizer ``source_text`` and
``target_text`` (string); no reader of ours asks for these. NaN is NaN, nothing is null.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffers.interop.rows import Chunk
from buffers.storage.layout import gather
from buffers.storage.trajectories import Trajectories, merge_sources
from seq2seq_env.tokenization.tokenizer import Tokenizer


def schema_of(arrow: Any, *, texts: bool) -> Any:
    """The ``pyarrow.Schema`` of all columns, with those of the texts or without."""
    types = _read_types(arrow) | {"grow_step": arrow.int64(), "candidate": arrow.int64()}
    if texts:
        types |= {"source_text": arrow.string(), "target_text": arrow.string()}
    return arrow.schema(list(types.items()))


def _read_types(arrow: Any) -> dict[str, Any]:
    """Types of the columns that make trajectories."""
    return {
        "source_index": arrow.int64(),
        "source_tokens": arrow.list_(arrow.int32()),
        "target_tokens": arrow.list_(arrow.int32()),
        "log_prob": arrow.list_(arrow.float32()),
        "reward": arrow.float32(),
        "terminated": arrow.bool_(),
        "is_reference": arrow.bool_(),
    }


def columns(arrow: Any, schema: Any) -> list[str]:
    """Names of the columns that are read, if a schema has them.

    Raises:
        ValueError: If one is missing or of another type.
    """
    wanted = _read_types(arrow)
    for name, kind in wanted.items():
        if name not in schema.names:
            raise ValueError(f"the column {name!r} is missing")
        if schema.field(name).type != kind:
            raise ValueError(f"the column {name!r} is {schema.field(name).type}, not {kind}")
    return list(wanted)


def table_of(arrow: Any, schema: Any, chunk: Chunk, tokenizer: Tokenizer | None) -> Any:
    """A ``pyarrow.Table`` of trajectories, with their texts where there is a tokenizer."""
    part = chunk.trajectories
    positions, source_offsets = gather(part.source_offsets, part.source_positions)
    lists = {
        "source_tokens": (source_offsets, part.source_tokens[positions]),
        "target_tokens": (part.offsets, part.tokens),
        "log_prob": (part.offsets, part.log_prob),
    }
    values = {
        name: arrow.ListArray.from_arrays(arrow.array(offsets, arrow.int32()), arrow.array(flat))
        for name, (offsets, flat) in lists.items()
    }
    if tokenizer is not None:
        values["source_text"] = tokenizer.decode(values["source_tokens"].to_pylist())
        values["target_text"] = tokenizer.decode(values["target_tokens"].to_pylist())
    for name in ("source_index", "reward", "terminated", "is_reference"):
        values[name] = arrow.array(getattr(part, name))
    values["grow_step"], values["candidate"] = arrow.array(chunk.grow_step), arrow.array(chunk.candidate)
    return arrow.table(values, schema=schema)


def trajectories_of(arrow: Any, table: Any) -> Trajectories:
    """The trajectories of a table whose schema was checked, validated.

    Raises:
        ValueError: If a column holds nulls, or a trajectory is impossible.
    """
    table.validate(full=True)
    column = {name: _flat(table, name) for name in ("source_index", "reward", "terminated", "is_reference")}
    source_offsets, source_tokens = _ragged(arrow, table, "source_tokens")
    offsets, tokens = _ragged(arrow, table, "target_tokens")
    log_prob_offsets, log_prob = _ragged(arrow, table, "log_prob")
    if not np.array_equal(offsets, log_prob_offsets):
        raise ValueError("a list of 'log_prob' is not as long as its 'target_tokens'")
    source_rows, source_offsets, source_tokens = merge_sources(column["source_index"], source_offsets, source_tokens)
    return Trajectories(
        **column,
        offsets=offsets,
        tokens=tokens,
        log_prob=log_prob,
        source_rows=source_rows,
        source_offsets=source_offsets,
        source_tokens=source_tokens,
    )


def _flat(table: Any, name: str) -> NDArray[Any]:
    if table[name].null_count:
        raise ValueError(f"the column {name!r} holds nulls")
    return np.asarray(table[name].to_numpy())


def _ragged(arrow: Any, table: Any, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Offsets and values of a column of lists."""
    lists = table[name].combine_chunks()
    values = lists.flatten()
    if lists.null_count or values.null_count:
        raise ValueError(f"the column {name!r} holds nulls")
    lengths = lists.value_lengths().to_numpy()
    return np.cumsum([0, *lengths], dtype=np.int64), values.to_numpy()
