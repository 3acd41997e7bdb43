"""What a file from elsewhere may try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buffers import GrowingBatchBuffer, Provenance, ShardError, Trajectories, write_shard
from buffers.storage.sandbox import Sandbox
from seq2seq_env.tasks.task import Task
from tests.fault_injection.fuzz_shards import FINE
from tests.fault_injection.hostile_shards import MUTATIONS, exercise, make_case
from tests.fault_injection.shard_originals import NAME, REWARDS, Original, lookup3, originals

SMALL = ("one", "several", "large ids", "long texts", "old format", "exotic", REWARDS)


@pytest.fixture(scope="module")
def unchanged() -> dict[str, Original]:
    return originals(SMALL)


def test_changed_files_are_refused_or_read(unchanged: dict[str, Original], tmp_path: Path) -> None:
    outcomes: set[str] = set()
    mutations: set[str] = set()
    with Sandbox(memory_mib=256, seconds=20) as sandbox:
        for number in range(60):
            case = make_case(unchanged, 0, number)
            outcomes.add(exercise(case, tmp_path, unchanged, sandbox.verify))
            mutations.update(case.mutations)
    assert {"accepted", "refused"} <= outcomes <= set(FINE)
    assert mutations == set(MUTATIONS)


def test_a_case_depends_on_its_seed_and_number_alone(unchanged: dict[str, Original]) -> None:
    again = originals(SMALL)
    assert make_case(unchanged, 1, 7) == make_case(again, 1, 7)
    assert make_case(unchanged, 1, 7) != make_case(unchanged, 2, 7)
    assert make_case(unchanged, 1, 7) != make_case(unchanged, 1, 8)


def test_every_piece_of_metadata_has_a_checksum_that_is_found(unchanged: dict[str, Original]) -> None:
    """Without which no case would reach beyond it."""
    for name in ("one", "several", "large ids", "long texts"):
        original = unchanged[name]
        assert [start for start, _, _ in original.checksums] == original.starts
        assert {b"OHDR", b"FRHP", b"BTLF"} <= {original.content[start:][:4] for start in original.starts}
    blocks = {unchanged["long texts"].content[start:][:4] for start in unchanged["long texts"].starts}
    assert b"FHIB" in blocks


def test_the_checksum_is_jenkins() -> None:
    # From the test of the author's own program, https://burtleburtle.net/bob/c/lookup3.c
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_a_padding_token_that_is_not_the_tasks_is_refused(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, tiny_task: Task
) -> None:
    """The fingerprints are known to all, so a shard can claim them."""
    claimed = replace(
        provenance, task_fingerprint=tiny_task.fingerprint, tokenizer_fingerprint=tiny_task.tokenizer.fingerprint
    )
    write_shard(tmp_path / NAME, trajectories, replace(claimed, pad_id=1_000_000))
    with pytest.raises(ShardError, match="pad_id 1000000, task 'tiny' has"):
        GrowingBatchBuffer(tmp_path, task=tiny_task)
