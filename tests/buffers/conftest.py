"""A sampler without a network, and small trajectories and shards, for the tests of the buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, Provenance, Samples, Trajectories, write_shard
from buffers.__main__ import main
from seq2seq_env.tasks.task import Task


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of each file below a folder, hidden ones too, by path within it."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


Run = Callable[..., tuple[int | str, str]]
"""Runs ``python -m buffers`` with arguments; its exit code, or sentence, and what it printed."""


class FakeSampler:
    """Draws words of the target language; a pure function of its arguments, as a policy must be."""

    fingerprint, engine = "policy-1", "fake"

    def __init__(self, task: Task) -> None:
        self.tokenizer = task.tokenizer
        self.limit = task.max_target_length
        self.sampled: list[tuple[list[Sequence[int]], int]] = []

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        self.sampled.append((list(sources), seed))
        rng = np.random.default_rng(seed)
        rows, terminated = [], []
        for _ in range(len(sources) * num_candidates):
            words = rng.integers(12, 16, size=rng.integers(1, 4)).tolist()
            ends = bool(rng.random() < 0.8)
            rows.append([*words, self.tokenizer.eos_id] if ends else words * self.limit)
            rows[-1] = rows[-1][: self.limit]
            terminated.append(ends)
        tokens = np.concatenate(rows).astype(np.int32)
        return Samples(
            source_index=np.repeat(np.arange(len(sources)), num_candidates).astype(np.int64),
            offsets=np.cumsum([0, *map(len, rows)]).astype(np.int64),
            tokens=tokens,
            log_prob=(-tokens / 10 / temperature).astype(np.float32),
            terminated=np.array(terminated),
            texts=self.tokenizer.decode(rows),
        )

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        return [(-np.asarray(target) / 10 / temperature).astype(np.float32) for target in targets]


@pytest.fixture
def sampler(tiny_task: Task) -> FakeSampler:
    return FakeSampler(tiny_task)


@pytest.fixture
def trajectories() -> Trajectories:
    """Three targets of 2, 1 and 3 tokens for the sources at rows 4 and 7, of 3 and 2 tokens."""
    return Trajectories(
        source_index=np.array([4, 4, 7]),
        offsets=np.array([0, 2, 3, 6]),
        tokens=np.array([5, 0, 0, 6, 7, 8], dtype=np.int32),
        log_prob=np.array([-0.5, -0.25, -3.0, -1.0, 0.0, -2.0], dtype=np.float32),
        terminated=np.array([True, True, False]),
        reward=np.array([0.25, 0.0, 1.0], dtype=np.float32),
        is_reference=np.array([False, True, False]),
        source_rows=np.array([4, 7]),
        source_offsets=np.array([0, 3, 5]),
        source_tokens=np.array([2, 3, 0, 4, 0], dtype=np.int32),
    )


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        task="tiny",
        task_fingerprint="tiny-1",
        tokenizer_fingerprint="words-1",
        pad_id=18,
        policy_fingerprint="policy-1",
        sampler="fake",
        scorer_fingerprint="scorer-1",
        temperature=0.8,
        grow_from="train",
        candidates=2,
        references=1,
        num_sources=4,
        sources_per_shard=2,
        seed=3,
        grow_step=1,
        shard_index=0,
    )


@pytest.fixture
def assert_equal() -> Callable[[Trajectories, Trajectories], None]:
    """Exact comparison, dtypes included."""

    def compare(found: Trajectories, wanted: Trajectories) -> None:
        for name, value in vars(wanted).items():
            assert getattr(found, name).dtype == value.dtype, name
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)

    return compare


@pytest.fixture
def path(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    """The file of a shard."""
    file = tmp_path / "g001-s00000.h5"
    write_shard(file, trajectories, provenance)
    return file


@pytest.fixture
def folder(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Path:
    """Two of three shards of a Grow step."""
    made = replace(provenance, num_sources=3, sources_per_shard=1)
    buffer = GrowingBatchBuffer(tmp_path / "buffer")
    for index in (0, 2):
        buffer.append(trajectories, replace(made, shard_index=index))
    return tmp_path / "buffer"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int | str, str]:
        monkeypatch.setattr("sys.argv", ["python -m buffers", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return 0 if code is None else code, capsys.readouterr().out

    return call


def corrupt(file: Path) -> None:
    """Change the last byte of a file."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
