"""Rescoring: another scorer's rewards as a column beside the shards of a buffer."""

from __future__ import annotations

import numpy as np

from buffers.growing.plan import score_once
from buffers.growing.source_rows import source_texts
from buffers.growing_batch import GrowingBatchBuffer
from buffers.storage.container import ShardError
from buffers.storage.reward_columns import RescoredShard
from buffers.storage.trajectories import Trajectories
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.scorers.wrappers.cascade import CascadeScorer
from seq2seq_env.tasks.task import Task


def rescore(
    buffer: GrowingBatchBuffer,
    scorer: Scorer,
    task: Task,
    name: str,
    *,
    grow_step: int | None = None,
    progress: bool = True,
) -> int:
    """Add another scorer's rewards to a buffer as a column beside its own; no shard is touched.

    Killed and called again, it goes on after the shards that have the column. Read it with
    ``buffer.select(..., scorer=name)``.

    A cascade's cheap scorer has a column of its own, ``{name}.cheap``; where it is the scorer of the Grow step, its
    scores are those of the shard, and only the dear one is asked.

    Args:
        buffer: Opened with the task, so that both are known to fit.
        scorer: Rates every distinct pair of source and target in a shard once.
        task: Gives the sources.
        name: Of the column.
        grow_step: Only this one; None takes all.
        progress: Show trajectories done, rate and time left.

    Returns:
        How many shards were scored by this call.

    Raises:
        ValueError: If the name cannot be a folder's, there is nothing to score, or a score is no number in [0, 1].
        ShardError: If a shard is corrupt, of another task, or another scorer has begun the column, in any Grow step.
        OSError: If a file cannot be written.
    """
    buffer.check_task(task)
    parts = [RescoredShard(shard, name) for shard in buffer.shards_of(grow_step)]
    # One column, one scorer, in the other Grow steps too.
    for part in (RescoredShard(shard, name) for shard in buffer.shards):
        if part.exists():
            _check_scorer(part, scorer)
    missing = [part for part in parts if not part.exists()]
    total, left = (sum(part.num_trajectories for part in some) for some in (parts, missing))
    scored = 0
    with progress_bar(
        total=total, initial=total - left, unit="trajectory", desc=f"rescore {name}", shown=progress
    ) as bar:
        for part in missing:
            if part.exists():  # another process was faster
                _check_scorer(part, scorer)
            else:
                _rescore(part, scorer, task)
                scored += 1
            bar.update(part.num_trajectories)
    return scored


def _check_scorer(part: RescoredShard, scorer: Scorer) -> None:
    fingerprint = part.scorer_fingerprint()
    if fingerprint != scorer.fingerprint:
        raise ShardError(
            f"rewards {part.name!r} of {part.shard.path.name} come from scorer {fingerprint[:12]}, not from "
            f"{scorer.fingerprint[:12]}; choose another name"
        )


def _rescore(part: RescoredShard, scorer: Scorer, task: Task) -> None:
    trajectories = part.shard.read()
    sources, targets = _texts(trajectories, task)
    if not isinstance(scorer, CascadeScorer):
        part.write(score_once(scorer, sources, targets), scorer.fingerprint)
        return
    cheap = trajectories.reward
    if part.shard.provenance.scorer_fingerprint != scorer.cheap.fingerprint:
        column = RescoredShard(part.shard, f"{part.name}.cheap")
        if not column.exists():
            column.write(score_once(scorer.cheap, sources, targets), scorer.cheap.fingerprint)
        elif column.scorer_fingerprint() != scorer.cheap.fingerprint:
            raise ShardError(
                f"rewards {column.name!r} of {part.shard.path.name} come from another scorer; choose another name than "
                f"{part.name!r}"
            )
        cheap = column.column("reward")
    # Last, as whoever is killed before begins the shard again.
    part.write(scorer.refined(sources, targets, cheap, score=score_once), scorer.fingerprint)


def _texts(trajectories: Trajectories, task: Task) -> tuple[list[str], list[str]]:
    """Source and target of each trajectory as text.

    Raises:
        ValueError: If the vocabulary lacks a token, or the task a row.
    """
    trajectories.check_tokens(task.tokenizer.vocab_size)
    rows = np.split(trajectories.tokens, trajectories.offsets[1:-1])
    targets = task.tokenizer.decode([row.tolist() for row in rows])
    return source_texts(task, trajectories.source_index), targets
