"""Parquet files and Hugging Face data sets: their columns, and what is said of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from buffers import Slice, Trajectories, from_datasets, from_parquet, to_datasets, to_parquet
from buffers.interop import rows
from seq2seq_env.tasks.task import Task


@pytest.fixture
def data(trajectories: Trajectories) -> Slice:
    return Slice.from_trajectories(trajectories, 18)


@pytest.fixture
def pairs(tiny_task: Task) -> Slice:
    return Slice.from_pairs(["zwei rot haus"], ["two red house"], tiny_task.tokenizer, 12, 12)


def test_a_parquet_file_is_typed_and_in_row_groups(
    tmp_path: Path, data: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 2)
    to_parquet(data, tmp_path / "made.parquet", description="of a test")
    file = pq.read_metadata(tmp_path / "made.parquet")
    assert (file.num_rows, file.num_row_groups) == (3, 2)
    assert file.metadata[b"description"] == b"of a test"
    table = pq.read_table(tmp_path / "made.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "source_index": "int64",
        "source_tokens": "list<element: int32>",
        "target_tokens": "list<element: int32>",
        "log_prob": "list<element: float>",
        "reward": "float",
        "terminated": "bool",
        "is_reference": "bool",
        "grow_step": "int64",
        "candidate": "int64",
    }
    assert table["source_tokens"].to_pylist() == [[2, 3, 0], [2, 3, 0], [4, 0]]
    assert table["target_tokens"].to_pylist() == [[5, 0], [0], [6, 7, 8]]
    assert (table["grow_step"].to_pylist(), table["candidate"].to_pylist()) == ([-1] * 3, [0, -1, 0])
    assert table["log_prob"].to_pylist() == [[-0.5, -0.25], [-3.0], [-1.0, 0.0, -2.0]]


def test_texts_are_added(tmp_path: Path, pairs: Slice, tiny_task: Task) -> None:
    to_parquet(pairs, tmp_path / "made.parquet", tokenizer=tiny_task.tokenizer)
    made = to_datasets(pairs, tmp_path / "made", tokenizer=tiny_task.tokenizer)
    for (row,) in (pq.read_table(tmp_path / "made.parquet").to_pylist(), list(made)):
        assert (row["source_text"], row["target_text"]) == ("zwei rot haus", "two red house")
    for found in (from_parquet(tmp_path / "made.parquet"), from_datasets(made)):
        assert found.tokens.tolist() == pairs.read().tokens.tolist()


def test_a_data_set_is_typed_and_loads_again(tmp_path: Path, data: Slice, capfd: pytest.CaptureFixture[str]) -> None:
    to_datasets(data, tmp_path / "made", description="of a test")
    assert capfd.readouterr() == ("", "")
    assert not datasets.utils.are_progress_bars_disabled()
    found = datasets.load_from_disk(tmp_path / "made")
    assert found.info.description == "of a test"
    assert found.features["log_prob"] == datasets.List(datasets.Value("float32"))
    assert found[2]["target_tokens"] == [6, 7, 8]
    assert [file.name for file in tmp_path.iterdir()] == ["made"]


def test_a_filtered_and_shuffled_data_set_comes_back(tmp_path: Path, data: Slice, trajectories: Trajectories) -> None:
    made = to_datasets(data, tmp_path / "made").filter(lambda row: row["reward"] != 0.0, load_from_cache_file=False)
    found = from_datasets(made.select([1, 0]))
    assert found.source_index.tolist() == [7, 4]
    assert found.tokens.tolist() == trajectories.take(np.array([2, 0])).tokens.tolist()


@pytest.mark.parametrize(
    ("name", "column", "why"),
    [
        ("reward", None, "the column 'reward' is missing"),
        ("reward", pa.array([0.5, 0.5, 0.5]), "the column 'reward' is double, not float"),
        ("source_tokens", pa.array([[1], [1], [1]]), r"the column 'source_tokens' is list<\w+: int64>, not list"),
        ("terminated", pa.array([True, None, True]), "the column 'terminated' holds nulls"),
        ("target_tokens", pa.array([[5, 0], None, [6]], pa.list_(pa.int32())), "'target_tokens' holds nulls"),
        ("target_tokens", pa.array([[5, 0], [None], [6]], pa.list_(pa.int32())), "'target_tokens' holds nulls"),
        ("target_tokens", pa.array([[5], [5, 0], [6, 7, 8]], pa.list_(pa.int32())), "not as long as"),
        ("source_tokens", pa.array([[2], [3], [4]], pa.list_(pa.int32())), "different tokens for one source row"),
        ("reward", pa.array([0.5, 2, 0.5], pa.float32()), "reward is 2.0 at row 1"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, data: Slice, name: str, column: Any, why: str) -> None:
    to_parquet(data, tmp_path / "made.parquet")
    table = pq.read_table(tmp_path / "made.parquet")
    place = table.schema.names.index(name)
    table = table.drop_columns(name) if column is None else table.set_column(place, name, column)
    pq.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=f"other.parquet' is corrupt or no table of trajectories: .*{why}"):
        from_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=why):
        from_datasets(datasets.Dataset(table))


def test_a_corrupt_or_foreign_file_is_one_sentence(tmp_path: Path, data: Slice) -> None:
    to_parquet(data, tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    changed = bytearray(content)
    changed[40] ^= 1
    for corrupt in (b"", b"no table", content[:-20], content[20:], bytes(changed)):
        (tmp_path / "other.parquet").write_bytes(corrupt)
        with pytest.raises(ValueError, match=r"other.parquet' is corrupt or no table of trajectories"):
            from_parquet(tmp_path / "other.parquet")
    with pytest.raises(FileNotFoundError):
        from_parquet(tmp_path / "nothing.parquet")
