"""What goes out and comes back is the same, bit by bit, through every format on the real library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buffers import (
    GrowingBatchBuffer,
    Provenance,
    Slice,
    Threshold,
    Trajectories,
    from_datasets,
    from_jsonl,
    from_minari,
    from_parquet,
    grow,
    source_texts,
    to_datasets,
    to_jsonl,
    to_minari,
    to_parquet,
)
from buffers.growing.plan import Sampler
from buffers.interop import rows
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task

PAD = 18
RoundTrip = Callable[[Slice], Trajectories]


def by_json_lines(data: Slice, path: Path) -> Trajectories:
    to_jsonl(data, path)
    return from_jsonl(path)


def by_packed_json_lines(data: Slice, path: Path) -> Trajectories:
    return by_json_lines(data, path.with_suffix(".jsonl.gz"))


def by_parquet(data: Slice, path: Path) -> Trajectories:
    to_parquet(data, path)
    return from_parquet(path)


def by_datasets(data: Slice, path: Path) -> Trajectories:
    return from_datasets(to_datasets(data, path))


def by_minari(data: Slice, path: Path) -> Trajectories:
    return from_minari(to_minari(data, f"space/{path.name}-v0"))


@pytest.fixture(params=[by_json_lines, by_packed_json_lines, by_parquet, by_datasets, by_minari])
def round_trip(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RoundTrip:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    numbers = count()
    return lambda data: request.param(data, tmp_path / str(next(numbers)))


def assert_same(found: Trajectories, wanted: Trajectories) -> None:
    for name, value in vars(wanted).items():
        assert getattr(found, name).dtype == value.dtype, name
        assert getattr(found, name).tobytes() == value.tobytes(), name


def test_rows_of_source_only_sentences_come_back(
    round_trip: RoundTrip, sampler: Sampler, fake_scorer: Scorer, monolingual_task: Task, tmp_path: Path
) -> None:
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    grow(
        sampler, fake_scorer, monolingual_task, buffer, grow_step=1, grow_from="source-only", references=False,
        candidates=2, temperature=0.8, seed=0, progress=False,
    )  # fmt: skip
    back = round_trip(buffer.select())
    assert set(back.source_index.tolist()) == set(range(18, 24))
    assert source_texts(monolingual_task, back.source_rows) == monolingual_task.split("source-only").sources
    assert_same(back, buffer.select().read())


@st.composite
def some_trajectories(draw: st.DrawFn) -> Trajectories:
    tokens = st.lists(st.integers(0, PAD - 1), min_size=1, max_size=4)
    sources = sorted(draw(st.dictionaries(st.integers(0, 2**40), tokens, min_size=1, max_size=3)).items())
    index = [row for row, _ in sources]
    index += draw(st.lists(st.sampled_from(index), max_size=3))
    targets = [draw(tokens) for _ in index]
    length = sum(map(len, targets))
    below_zero = st.floats(max_value=0, allow_infinity=False, width=32)
    flags = st.lists(st.booleans(), min_size=len(index), max_size=len(index))
    return Trajectories(
        source_index=np.array(index, dtype=np.int64),
        offsets=np.cumsum([0, *map(len, targets)], dtype=np.int64),
        tokens=np.concatenate(targets).astype(np.int32),
        log_prob=np.array(draw(st.lists(below_zero, min_size=length, max_size=length)), dtype=np.float32),
        terminated=np.array(draw(flags)),
        reward=np.array([draw(st.floats(0, 1, width=32)) for _ in index], dtype=np.float32),
        is_reference=np.array(draw(flags)),
        source_rows=np.array([row for row, _ in sources], dtype=np.int64),
        source_offsets=np.cumsum([0, *(len(source) for _, source in sources)], dtype=np.int64),
        source_tokens=np.concatenate([source for _, source in sources]).astype(np.int32),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_trajectories())
def test_any_trajectories_come_back(round_trip: RoundTrip, made: Trajectories) -> None:
    assert_same(round_trip(Slice.from_trajectories(made, PAD)), made)


def test_what_nobody_scored_or_knows_the_policy_of_comes_back(
    round_trip: RoundTrip, trajectories: Trajectories
) -> None:
    unknown = replace(trajectories, log_prob=np.full(6, np.nan, dtype=np.float32))
    unscored = replace(unknown, reward=np.full(3, np.nan, dtype=np.float32))
    for made in (unknown, unscored):
        assert_same(round_trip(Slice.from_trajectories(made, PAD)), made)


def test_nothing_comes_back_as_nothing(round_trip: RoundTrip, trajectories: Trajectories) -> None:
    nothing = Slice.from_trajectories(trajectories, PAD).where(np.zeros(3, dtype=np.bool_))
    assert_same(round_trip(nothing), nothing.read())


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pieces_and_grow_steps_come_back_as_one(
    round_trip: RoundTrip,
    tmp_path: Path,
    trajectories: Trajectories,
    provenance: Provenance,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setattr(rows, "CHUNK", size)
    monkeypatch.setattr("buffers.storage.turns.POOL_TOKENS", 4)
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    buffer.append(trajectories, provenance)
    buffer.append(trajectories, replace(provenance, shard_index=1))
    buffer.append(trajectories, replace(provenance, grow_step=2))
    whole = buffer.select()
    assert_same(round_trip(whole), whole.read())
    some = buffer.select(Threshold(0.2), grow_step=1)
    assert len(some) == 4
    assert_same(round_trip(some), some.read())


def test_nothing_that_exists_is_overwritten(
    tmp_path: Path, trajectories: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = Slice.from_trajectories(trajectories, PAD)
    writers: list[Callable[[Slice, Any], Any]] = [to_jsonl, to_parquet, to_datasets]
    target = tmp_path / "name-v0"
    target.write_text("kept")
    for write in writers:
        with pytest.raises(FileExistsError, match=r"'.*name-v0' is there already; choose another name"):
            write(data, target)
    with pytest.raises(FileExistsError, match="is there already"):
        to_minari(data, "name-v0")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("name-v0", "kept")]


def test_a_write_that_fails_leaves_nothing(
    tmp_path: Path, trajectories: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second piece is not read."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    writers: list[Callable[[Slice], Any]] = [
        lambda data: to_jsonl(data, tmp_path / "made"),
        lambda data: to_parquet(data, tmp_path / "made"),
        lambda data: to_datasets(data, tmp_path / "made"),
        lambda data: to_minari(data, "made-v0"),
    ]

    def cut(data: Slice) -> Iterator[Trajectories]:
        yield data.read()
        raise OSError("the disk is gone")

    monkeypatch.setattr(Slice, "pieces", cut)
    for write in writers:
        with pytest.raises(OSError, match="the disk is gone"):
            write(Slice.from_trajectories(trajectories, PAD))
        assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_one_sentence(
    tmp_path: Path, trajectories: Trajectories, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Slice.from_trajectories(trajectories, PAD)
    for name in ("minari", "datasets", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    missing = r', which cannot be imported \(.*\); .* "\.\[interop\]"'
    with pytest.raises(ImportError, match=f"the format minari needs minari{missing}"):
        to_minari(data, "name-v0")
    for write in (to_parquet, to_datasets):
        with pytest.raises(ImportError, match=f"needs pyarrow{missing}"):
            write(data, tmp_path / "name")
    assert list(tmp_path.iterdir()) == []
