"""Many small shards to few large ones: fewer files to open, the same trajectories in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from buffers.admin.maintenance import existing
from buffers.growing_batch import GrowingBatchBuffer
from buffers.storage.catalogue import SUFFIX
from buffers.storage.container import ShardError
from buffers.storage.reward_columns import RescoredShard, one_scorer, score_columns
from buffers.storage.shard import Shard, verify_file
from buffers.storage.trajectories import Trajectories
from seq2seq_env.progress import progress_bar


def compact(path: str | Path, *, trajectories_per_file: int = 250_000, progress: bool = True) -> list[Path]:
    """Merge neighbouring shards of each Grow step, and the rewards of other scorers with them.

    A merged file is published, and verified, before the files that it replaces are deleted; killed at any instant and
    called again, it ends with the same bytes. An unfinished Grow step goes on afterwards with the units that are
    missing. Readers that opened the folder before must open it again.

    Args:
        path: The buffer's folder.
        trajectories_per_file: A file is filled up to this many; one unit of work beyond it stays a file of its own.
        progress: Show files done, rate and time left.

    Returns:
        The merged files that this call finished.

    Raises:
        ValueError: If ``trajectories_per_file`` is below 1.
        ShardError: If a shard is corrupt, or a column of rewards is unfinished or of several scorers.
        OSError: If a file cannot be written or deleted.
    """
    if trajectories_per_file < 1:
        raise ValueError(f"trajectories_per_file is {trajectories_per_file}; give at least 1, better some 100,000")
    buffer = GrowingBatchBuffer(existing(path))
    finished = []
    for merged, parts in _unfinished(buffer):
        _replace(merged, parts)
        finished.append(merged.path)
    groups = [group for step in buffer.grow_steps for group in _groups(buffer.shards_of(step), trajectories_per_file)]
    for group in progress_bar(groups, unit="file", desc="compact", shown=progress):
        _check_columns(group)
        for shard in group:
            shard.verify()
        first, last = group[0].provenance, group[-1].provenance
        provenance = replace(first, shard_count=last.units.stop - first.units.start)
        file = buffer.append(Trajectories.concatenate([shard.read() for shard in group]), provenance)
        _replace(Shard.open(file), group)
        finished.append(file)
    return finished


def _groups(shards: Sequence[Shard], limit: int) -> list[list[Shard]]:
    """Neighbours that fit one file, where there are at least two of them."""
    groups: list[list[Shard]] = []
    size = 0
    for shard in shards:
        follows = groups and groups[-1][-1].provenance.units.stop == shard.provenance.units.start
        if not follows or size + shard.num_trajectories > limit:
            groups.append([])
            size = 0
        groups[-1].append(shard)
        size += shard.num_trajectories
    return [group for group in groups if len(group) > 1]


def _unfinished(buffer: GrowingBatchBuffer) -> list[tuple[Shard, list[Shard]]]:
    """Merged shards with those files that they replace and that are still there, of a compaction that was killed."""
    files = sorted(buffer.path.glob(f"[!.]*{SUFFIX}"))
    left = [Shard.open(file) for file in files if file not in {shard.path for shard in buffer.shards}]
    unfinished = []
    for merged in buffer.shards:
        units, step = merged.provenance.units, merged.provenance.grow_step
        parts = [part for part in left if part.provenance.grow_step == step and part.provenance.shard_index in units]
        if parts:
            # Names sort otherwise from shard 100,000 on, and the parts' rewards are joined in their order.
            unfinished.append((merged, sorted(parts, key=lambda part: part.provenance.shard_index)))
    return unfinished


def _replace(merged: Shard, parts: Sequence[Shard]) -> None:
    """Merge the parts' rewards of other scorers, then delete the parts, those that an earlier call has left."""
    # Nothing is deleted before its successor is verified: a kill leaves both, and the next call goes on here.
    verify_file(merged.path)
    for name in score_columns(merged.path.parent):
        whole, columns = RescoredShard(merged, name), [RescoredShard(part, name) for part in parts]
        there = [column for column in columns if column.exists()]
        if sum(column.num_trajectories for column in there) == whole.num_trajectories:
            # Whatever has its name already may be of a merged shard that is in quarantine, and of another scorer.
            whole.write(np.concatenate([column.column("reward") for column in there]), one_scorer(there))
        if there and whole.exists():
            whole.verify()
        for column in there:
            column.path.unlink()
    for part in parts:
        part.path.unlink()


def _check_columns(group: Sequence[Shard]) -> None:
    """Refuse to merge where a column of rewards is there for some and not for others, or of several scorers."""
    for name in score_columns(group[0].path.parent):
        columns = [RescoredShard(shard, name) for shard in group]
        there = [column for column in columns if column.exists()]
        if there and len(there) < len(columns):
            lacking = next(column.shard.path.name for column in columns if not column.exists())
            raise ShardError(f"rewards {name!r} are missing for {lacking}; finish rescoring first, or delete them")
        for column in there:
            column.verify()
        if there:
            one_scorer(there)
