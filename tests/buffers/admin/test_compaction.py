from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buffers import GrowingBatchBuffer, Provenance, RescoredShard, ShardError, Trajectories, compact
from buffers.admin.maintenance import CorruptFile, quarantine
from tests.buffers.conftest import contents, corrupt

Compare = Callable[[Trajectories, Trajectories], None]


class Killed(BaseException):
    """What a kill is to the code that it hits."""


def fill(path: Path, trajectories: Trajectories, provenance: Provenance, column: bool = True) -> GrowingBatchBuffer:
    """Grow step 1 with shards 0 to 3 and 5, Grow step 2 with shard 0, of three trajectories each."""
    buffer = GrowingBatchBuffer(path)
    made = replace(provenance, num_sources=12)
    for grow_step, units in ((1, (0, 1, 2, 3, 5)), (2, (0,))):
        for unit in units:
            rewards = ((np.arange(3) + unit) / 10).astype(np.float32)
            where = replace(made, grow_step=grow_step, shard_index=unit)
            buffer.append(replace(trajectories, reward=rewards), where)
    for shard in buffer.shards if column else ():
        RescoredShard(shard, "other").write(1 - shard.column("reward"), "scorer-2")
    return buffer


def test_rescored_rewards_keep_their_order_where_names_sort_otherwise(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shard 100,000 has a name that sorts before that of shard 99,999."""
    buffer = GrowingBatchBuffer(tmp_path)
    for index in (99_999, 100_000):
        made = replace(provenance, num_sources=200_000, sources_per_shard=1, shard_index=index)
        buffer.append(trajectories, made)
    for shard, reward in zip(buffer.shards, (0.25, 0.75), strict=True):
        RescoredShard(shard, "other").write(np.full(3, reward, dtype=np.float32), "scorer-2")

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("buffers.admin.compaction._replace", killed)
        with pytest.raises(Killed):
            compact(tmp_path, progress=False)
    compact(tmp_path, progress=False)
    assert GrowingBatchBuffer(tmp_path).select(scorer="other").rewards.tolist() == [0.25] * 3 + [0.75] * 3


@pytest.mark.parametrize("changes", [{"candidates": 0}, {"references": 0}])
def test_what_was_grown_is_known_after_compaction(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, changes: dict[str, Any]
) -> None:
    before = fill(tmp_path, trajectories, replace(provenance, **changes)).shards[0].provenance
    compact(tmp_path, progress=False)
    [after, *_] = GrowingBatchBuffer(tmp_path).shards
    assert after.provenance == replace(before, shard_count=4)


def test_neighbours_become_one_file_and_nothing_else_changes(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    before = fill(tmp_path, trajectories, provenance)
    wanted, wanted_other = before.select().read(), before.select(scorer="other").read()
    finished = compact(tmp_path, progress=False)
    assert [file.name for file in finished] == ["g001-s00000-00003.h5"]
    assert list(contents(tmp_path)) == [
        "g001-s00000-00003.h5",
        "g001-s00005.h5",
        "g002-s00000.h5",
        "scores/other/g001-s00000-00003.h5",
        "scores/other/g001-s00005.h5",
        "scores/other/g002-s00000.h5",
    ]
    after = GrowingBatchBuffer(tmp_path)
    after.verify()
    assert_equal(after.select().read(), wanted)
    assert_equal(after.select(scorer="other").read(), wanted_other)
    assert [after.has(1, unit) for unit in range(6)] == [True, True, True, True, False, True]
    assert compact(tmp_path, progress=False) == []


def test_files_are_filled_up_to_the_limit(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> None:
    fill(tmp_path, trajectories, provenance)
    names = [file.name for file in compact(tmp_path, trajectories_per_file=6, progress=False)]
    assert names == ["g001-s00000-00001.h5", "g001-s00002-00003.h5"]
    assert compact(tmp_path, trajectories_per_file=6, progress=False) == []
    assert [file.name for file in compact(tmp_path, progress=False)] == ["g001-s00000-00003.h5"]


def test_what_is_missing_can_still_be_grown(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, assert_equal: Compare
) -> None:
    fill(tmp_path, trajectories, provenance, column=False)
    compact(tmp_path, progress=False)
    buffer = GrowingBatchBuffer(tmp_path)
    buffer.append(trajectories, replace(provenance, num_sources=12, shard_index=4))
    names = [file.name for file in compact(tmp_path, progress=False)]
    assert names == ["g001-s00000-00005.h5"]
    assert len(GrowingBatchBuffer(tmp_path).select(grow_step=1)) == 18


def test_killed_anywhere_it_ends_with_the_same_bytes(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "whole", trajectories, provenance)
    compact(tmp_path / "whole", trajectories_per_file=6, progress=False)
    originals: dict[str, Callable[..., Any]] = {"replace": os.replace, "unlink": Path.unlink}
    for kill_at in range(100):
        path = tmp_path / f"killed{kill_at}"
        wanted = len(fill(path, trajectories, provenance))
        calls = 0

        def count(name: str, limit: int, *args: Any, **options: Any) -> Any:
            nonlocal calls
            if name == "replace" or args[0].suffix == ".h5":  # a partial file is unlinked by who wrote it
                calls += 1
                if calls > limit:
                    raise Killed
            return originals[name](*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", lambda *a, limit=kill_at, **o: count("replace", limit, *a, **o))
            patch.setattr(Path, "unlink", lambda *a, limit=kill_at, **o: count("unlink", limit, *a, **o))
            try:
                compact(path, trajectories_per_file=6, progress=False)
                break
            except Killed:
                pass
        opened = GrowingBatchBuffer(path)
        opened.verify()
        assert len(opened) == wanted
        compact(path, trajectories_per_file=6, progress=False)
        assert contents(path) == contents(tmp_path / "whole")
    assert kill_at == 12  # two merged files with a column each: four renames, and eight files deleted


def test_an_unfinished_column_is_refused(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> None:
    fill(tmp_path, trajectories, provenance)
    before = contents(tmp_path)
    (tmp_path / "scores" / "other" / "g001-s00002.h5").unlink()
    with pytest.raises(ShardError, match=r"rewards 'other' are missing for g001-s00002\.h5; finish rescoring first"):
        compact(tmp_path, progress=False)
    assert contents(tmp_path).keys() == before.keys() - {"scores/other/g001-s00002.h5"}


def test_a_column_of_two_scorers_is_refused(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> None:
    shard = fill(tmp_path, trajectories, provenance).shards[2]
    RescoredShard(shard, "other").write(shard.column("reward"), "scorer-3")
    before = contents(tmp_path)
    with pytest.raises(ShardError, match=r"rewards 'other' come from several scorers: scorer-2 rated .*s00000\.h5"):
        compact(tmp_path, progress=False)
    assert contents(tmp_path) == before


def test_corruption_is_found_before_anything_is_deleted(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    fill(tmp_path, trajectories, provenance)
    file = tmp_path / "g001-s00001.h5"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = contents(tmp_path)
    with pytest.raises(ShardError, match=r"g001-s00001\.h5' is corrupt"):
        compact(tmp_path, progress=False)
    assert contents(tmp_path) == before


def test_a_bad_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trajectories_per_file is 0; give at least 1"):
        compact(tmp_path, trajectories_per_file=0)


def test_rewards_left_of_a_quarantined_shard_give_way_to_those_of_its_parts(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    for reward, scorer in ((0.25, "scorer-2"), (0.75, "scorer-3")):
        buffer = GrowingBatchBuffer(tmp_path)
        for index in (0, 1):
            buffer.append(trajectories, replace(provenance, shard_index=index))
        for shard in buffer.shards:
            RescoredShard(shard, "other").write(np.full(3, reward, dtype=np.float32), scorer)
        (merged,) = compact(tmp_path, progress=False)
        (column,) = [RescoredShard(shard, "other") for shard in GrowingBatchBuffer(tmp_path).shards]
        assert (column.column("reward").tolist(), column.scorer_fingerprint()) == ([reward] * 6, scorer)
        quarantine(tmp_path, CorruptFile(merged.name, "its disk rots")).unlink()


def test_merged_rewards_are_verified_before_the_last_of_their_parts_are_deleted(
    tmp_path: Path, trajectories: Trajectories, provenance: Provenance
) -> None:
    fill(tmp_path, trajectories, provenance)
    before = contents(tmp_path)
    compact(tmp_path, progress=False)
    left = ["g001-s00003.h5", "scores/other/g001-s00003.h5"]
    for name in left:
        (tmp_path / name).write_bytes(before[name])
    corrupt(tmp_path / "scores" / "other" / "g001-s00000-00003.h5")
    with pytest.raises(ShardError, match=r"other/g001-s00000-00003\.h5' is corrupt"):
        compact(tmp_path, progress=False)
    assert contents(tmp_path).keys() >= {*left}
