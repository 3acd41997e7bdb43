"""What cannot be written is one sentence that names the file, and nothing is left of it."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from buffers import GrowingBatchBuffer, to_datasets, to_jsonl, to_parquet
from buffers.interop.atomic_write import atomic_write


@contextmanager
def full_disk() -> Iterator[None]:
    """Files may have 100 bytes, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", [to_jsonl, to_parquet, to_datasets])
def test_a_full_disk_names_the_target_and_a_remedy(write: Callable[..., Any], path: Path, tmp_path: Path) -> None:
    data, target = GrowingBatchBuffer(path.parent).select(), tmp_path / "exports" / "made"
    message = r"made' cannot be written \(.*File too large\); make room or choose another"
    with full_disk(), pytest.raises(OSError, match=message):
        write(data, target)
    assert list(target.parent.iterdir()) == []


def test_what_cannot_be_read_is_not_said_to_be_unwritable(path: Path, tmp_path: Path) -> None:
    data = GrowingBatchBuffer(path.parent).select()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"g001-s00000\.h5"):
        to_jsonl(data, tmp_path / "made.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OSError, match=r"file/made' cannot be written \(File exists\)"),
        atomic_write(tmp_path / "file" / "made"),
    ):
        raise AssertionError("there is nowhere to write to")


def test_what_appears_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def write_late() -> None:
        with atomic_write(target) as partial:
            partial.write_text("ours")
            target.write_text("theirs")

    with pytest.raises(FileExistsError, match="is there already; choose another name"):
        write_late()
    assert [(file, file.read_text()) for file in tmp_path.iterdir()] == [(target, "theirs")]
