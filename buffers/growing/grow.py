"""The Grow step of Algorithm 1: sample the policy, join the original pairs, score once, store shard by shard."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from buffers.growing.plan import GrowPlan, Sampler
from buffers.growing.source_rows import drawable_rows
from buffers.growing.workers import InThreads, Workers
from buffers.growing_batch import GrowingBatchBuffer
from buffers.slices import Slice
from buffers.storage.columns import Columns
from buffers.storage.provenance import GrowFrom, Provenance
from buffers.storage.tokenizer_folder import tokenizer_folder
from seq2seq_env.progress import progress_bar
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task


@dataclass(frozen=True)
class GrowReport:
    """A Grow step as it is when a call ends; what an earlier call finished is counted in, except in ``seconds``.

    In an object store what other machines made is left out of all but the numbers of shards.

    Attributes:
        trajectories: Samples and references.
        distinct_samples: Distinct pairs of source and sample.
        tokens: Target tokens of all trajectories.
        mean_reward_samples: In [0, 1]; NaN where there is none.
        mean_reward_references: In [0, 1]; NaN where there is none.
        truncated_fraction: Share of the samples that the length limit cut; NaN where there is none.
        seconds: Wall clock of making this call's shards.
        shards_written: Missing when this call began, and there now.
        shards_skipped: Found finished.
        shards_missing: Not there yet; 0 unless other workers have a share.
    """

    trajectories: int
    distinct_samples: int
    tokens: int
    mean_reward_samples: float
    mean_reward_references: float
    truncated_fraction: float
    seconds: float
    shards_written: int
    shards_skipped: int
    shards_missing: int


def grow(
    policy: Sampler,
    scorer: Scorer,
    task: Task,
    buffer: GrowingBatchBuffer,
    *,
    grow_step: int,
    grow_from: GrowFrom = "train",
    num_sources: int | None = None,
    candidates: int,
    references: bool = True,
    temperature: float,
    seed: int,
    sources_per_shard: int = 512,
    workers: Workers | None = None,
    progress: bool = True,
) -> GrowReport:
    """Fill one Grow step of the buffer: samples of the policy, the original pairs of their sources, or both.

    D_g of section 3 is the samples joined with all of D. D's pairs and scores are the same in every step, so a run may
    grow them once (``candidates=0``), and then samples alone (``references=False``); their log-probabilities are then
    those of the policy of that one step. Sentences that the task has without references may be drawn, too
    (``grow_from``); then the step holds samples alone.

    A shard is a pure function of these arguments and its index: killed and called again, the step resumes after its
    finished shards and gives the same bytes, and so do any number of threads, processes or machines of one kind.
    Reference log-probabilities are the behaviour policy's at the same temperature; rewards belong to the tokens, so
    references are scored as they decode, like samples.

    Args:
        policy: Samples and gives log-probabilities.
        scorer: Rates every distinct pair of source and target in a shard once.
        task: Gives sources and references.
        buffer: Where the shards go.
        grow_step: At least 0.
        grow_from: Sources to draw from: those of the "train" split, the "source-only" sentences, or "both".
        num_sources: Drawn without replacement, by seed and Grow step; None takes all there are.
        candidates: Samples a source; 0 stores the original pairs alone.
        references: Whether to store the original pairs of the sources; False where ``grow_from`` is not "train". A
            policy with a constraint needs False, as they do not keep to it.
        temperature: Sampling temperature, above 0; the paper uses 0.8.
        seed: At least 0; the run's.
        sources_per_shard: The unit of work that a kill can lose.
        workers: Who makes the missing shards: :class:`buffers.InThreads` (the default), :class:`buffers.ByRank` under
            ``torchrun``, :class:`buffers.AsShare` on a cluster, :class:`buffers.OnRay`.
        progress: Show sources done, rate and time left.

    Raises:
        ValueError: If a number is out of range, there are no source-only sentences to draw, references are wanted of
            them, a source is empty or too long, the scorer or the policy gives something impossible, or the buffer
            holds shards made otherwise (:class:`ShardError`).
        OSError: If a shard, or the tokenizer beside the shards, cannot be written.
    """
    available = drawable_rows(task, grow_from)
    wanted = len(available) if num_sources is None else num_sources
    if references and grow_from != "train":
        raise ValueError(
            f"references is True and grow_from {grow_from!r}, where sentences have none; give references=False, and "
            "grow the references of the train split as a step of their own"
        )
    first = Provenance(
        task=task.name,
        task_fingerprint=task.fingerprint,
        tokenizer_fingerprint=task.tokenizer.fingerprint,
        tokenizer_folder=tokenizer_folder(task.tokenizer),
        pad_id=task.tokenizer.pad_id,
        policy_fingerprint=policy.fingerprint,
        sampler=policy.engine,
        scorer_fingerprint=scorer.fingerprint,
        temperature=float(temperature),
        grow_from=grow_from,
        candidates=candidates,
        references=int(references),
        num_sources=wanted,
        sources_per_shard=sources_per_shard,
        seed=seed,
        grow_step=grow_step,
        shard_index=0,
    )
    plan = GrowPlan(policy, scorer, task, first, _draw_rows(available, wanted, first))
    made = make_missing(plan, buffer, workers, f"Grow {grow_step}", progress=progress)
    # A worker's share may be empty, and it may be the first to end; to count what others made, each would download it.
    is_empty = made.missing == first.planned_shards
    here = [] if is_empty else [shard for shard in buffer.shards_of(grow_step) if shard.is_here]
    vocab_size = task.tokenizer.vocab_size
    grown = Slice.of_columns(Columns(here), first.pad_id, vocab_size, None).by_part() if here else []
    return _report(grown, made)


class Making(NamedTuple):
    """What came of making a plan's missing shards; see :class:`GrowReport`."""

    seconds: float
    written: int
    skipped: int
    missing: int


def make_missing(
    plan: GrowPlan, buffer: GrowingBatchBuffer, workers: Workers | None, desc: str, *, progress: bool
) -> Making:
    """Make the shards of a plan that a buffer lacks.

    Args:
        plan: Of a Grow step.
        buffer: Where the shards go, and the tokenizer beside them.
        workers: Who makes them; None takes threads.
        desc: Of the progress bar.
        progress: Show it.

    Raises:
        ValueError: As for :func:`grow`.
        OSError: If something cannot be written.
    """
    first, units = plan.first, range(plan.first.planned_shards)
    missing = buffer.missing(first.grow_step, units)
    buffer.check_fits(first)
    buffer.keep_tokenizer(plan.task.tokenizer)
    wanted = len(plan.rows)
    there = wanted - sum(len(plan.rows_of(unit)) for unit in missing)
    started = time.perf_counter()
    with progress_bar(total=wanted, initial=there, unit="source", desc=desc, shown=progress) as bar:
        (workers or InThreads())(plan, buffer, missing, bar.update)
    left = len(buffer.missing(first.grow_step, missing))
    return Making(time.perf_counter() - started, len(missing) - left, len(units) - len(missing), left)


def _draw_rows(available: range, wanted: int, first: Provenance) -> NDArray[np.int64]:
    if wanted > len(available):
        raise ValueError(
            f"num_sources is {wanted}, and there are {len(available)} to draw from {first.grow_from!r}; give at most "
            "that, or None for all"
        )
    if wanted == len(available):
        return np.arange(available.start, available.stop, dtype=np.int64)
    # The spawn key keeps this stream apart from shard 0's, as entropy (s, g) and (s, g, 0) would coincide.
    rng = np.random.default_rng(np.random.SeedSequence((first.seed, first.grow_step), spawn_key=(0,)))
    return np.sort(rng.choice(len(available), wanted, replace=False)).astype(np.int64) + available.start


def _report(grown: Iterable[Slice], made: Making) -> GrowReport:
    tokens = distinct = samples = references = truncated = 0
    reward_samples = reward_references = 0.0
    for shard in grown:  # one at a time: memory does not grow with them, and all that a source has is in one
        rewards, original = shard.rewards, shard.is_reference
        tokens += shard.num_tokens
        distinct += shard.distinct_samples()
        samples += int((~original).sum())
        references += int(original.sum())
        truncated += int((~shard.terminated & ~original).sum())
        reward_samples += float(rewards[~original].sum(dtype=np.float64))
        reward_references += float(rewards[original].sum(dtype=np.float64))
    return GrowReport(
        trajectories=samples + references,
        distinct_samples=distinct,
        tokens=tokens,
        mean_reward_samples=reward_samples / samples if samples else math.nan,
        mean_reward_references=reward_references / references if references else math.nan,
        truncated_fraction=truncated / samples if samples else math.nan,
        seconds=made.seconds,
        shards_written=made.written,
        shards_skipped=made.skipped,
        shards_missing=made.missing,
    )
