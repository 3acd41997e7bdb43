"""The Grow step of Algorithm 1: sample the policy, join the original pairs, score once, store shard by shard."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from buffers.growing.forecast import WORTH_IT, forecast
from buffers.growing.scoring import score_once
from buffers.growing.workers import InThreads, Workers
from buffers.growing_batch import GrowingBatchBuffer
from buffers.slices import Slice
from buffers.storage.encoding import encode_references, encode_sources, flatten
from buffers.storage.provenance import Provenance
from buffers.storage.trajectories import Samples, Trajectories
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Split, Task


class Sampler(Protocol):
    """What Grow needs of a policy; :class:`agents.Seq2SeqPolicy` is one. Several threads may call it at once.

    Attributes:
        fingerprint: Digest of the policy.
        engine: What samples it, with all that changes the bytes; a shard's ``sampler``.
    """

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest."""

    @property
    def engine(self) -> str:
        """A name, and a version where that matters."""

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        """``num_candidates`` independent samples of every source's token ids, a pure function of the arguments."""

    def log_probs(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], temperature: float = 1.0
    ) -> list[NDArray[np.float32]]:
        """Log-probability of every target token, float32 [T] a target, at the temperature."""


@dataclass(frozen=True)
class GrowPlan:
    """A Grow step as units of work, each a pure function of the plan and its number.

    Attributes:
        policy: Samples and gives log-probabilities.
        scorer: Rates.
        task: Its train split gives sources and references.
        first: Provenance of unit 0.
        rows: int64 [sources], rows of the train split, rising.
    """

    policy: Sampler
    scorer: Scorer
    task: Task
    first: Provenance
    rows: NDArray[np.int64]

    def provenance(self, unit: int) -> Provenance:
        """What makes a unit."""
        return replace(self.first, shard_index=unit)

    def rows_of(self, unit: int) -> NDArray[np.int64]:
        """Rows of the train split that a unit is about, int64 [U]."""
        size = self.first.sources_per_shard
        return self.rows[unit * size : (unit + 1) * size]

    def make(self, unit: int) -> Trajectories:
        """A unit's trajectories: samples, original pairs or both, scored, ordered by source.

        Raises:
            ValueError: If a source is empty or too long, or the scorer or the policy gives something impossible.
        """
        return self.make_rows(self.rows_of(unit), self.provenance(unit))

    def make_rows(self, rows: NDArray[np.int64], provenance: Provenance) -> Trajectories:
        """The trajectories of some rows of the train split, as a unit of that provenance."""
        return _make_shard(self.policy, self.scorer, self.task, self.task.split("train"), rows, provenance)


@dataclass(frozen=True)
class GrowReport:
    """A finished Grow step; what was found finished from an earlier call is counted in, except in ``seconds``.

    Attributes:
        trajectories: Samples and references.
        distinct_samples: Distinct pairs of source and sample.
        tokens: Target tokens of all trajectories.
        mean_reward_samples: In [0, 1]; NaN where there is none.
        mean_reward_references: In [0, 1]; NaN where there is none.
        truncated_fraction: Share of the samples that the length limit cut; NaN where there is none.
        seconds: Wall clock of making this call's shards.
        shards_written: Missing when this call began.
        shards_skipped: Found finished.
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


def grow(
    policy: Sampler,
    scorer: Scorer,
    task: Task,
    buffer: GrowingBatchBuffer,
    *,
    grow_step: int,
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
    those of the policy of that one step.

    A shard is a pure function of these arguments and its index: killed and called again, the step resumes after its
    finished shards and gives the same bytes, and so do any number of threads, processes or machines of one kind.
    Reference log-probabilities are the behaviour policy's at the same temperature; rewards belong to the tokens, so
    references are scored as they decode, like samples.

    Args:
        policy: Samples and gives log-probabilities.
        scorer: Rates every distinct pair of source and target in a shard once.
        task: Its train split gives sources and references.
        buffer: Where the shards go.
        grow_step: At least 0.
        num_sources: Drawn without replacement, by seed and Grow step; None takes the whole train split.
        candidates: Samples a source; 0 stores the original pairs alone.
        references: Whether to store the original pairs of the sources; a policy with a constraint needs False, as
            they do not keep to it.
        temperature: Sampling temperature, above 0; the paper uses 0.8.
        seed: At least 0; the run's.
        sources_per_shard: The unit of work that a kill can lose.
        workers: Who makes the missing shards: :class:`buffers.InThreads` (the default), :class:`buffers.ByRank` under
            ``torchrun``, :class:`buffers.OnRay`.
        progress: Show sources done, rate and time left; and before, where it is worth a short probe, a forecast of
            time, bytes and scorer calls (:class:`buffers.Forecast`).

    Raises:
        ValueError: If a number is out of range, a source is empty or too long, the scorer or the policy gives
            something impossible, or the buffer holds shards made otherwise (:class:`ShardError`).
        OSError: If a shard cannot be written.
    """
    split = task.split("train")
    wanted = len(split) if num_sources is None else num_sources
    first = Provenance(
        task=task.name,
        task_fingerprint=task.fingerprint,
        tokenizer_fingerprint=task.tokenizer.fingerprint,
        pad_id=task.tokenizer.pad_id,
        policy_fingerprint=policy.fingerprint,
        sampler=policy.engine,
        scorer_fingerprint=scorer.fingerprint,
        temperature=float(temperature),
        candidates=candidates,
        references=int(references),
        num_sources=wanted,
        sources_per_shard=sources_per_shard,
        seed=seed,
        grow_step=grow_step,
        shard_index=0,
    )
    plan = GrowPlan(policy, scorer, task, first, _draw_rows(len(split), wanted, seed, grow_step))
    units = range(first.planned_shards)
    missing = [unit for unit in units if not buffer.has(grow_step, unit)]
    buffer.check_fits(first)
    there = wanted - sum(len(plan.rows_of(unit)) for unit in missing)
    workers = workers or InThreads()
    if progress and wanted - there >= WORTH_IT:
        rows = np.concatenate([plan.rows_of(unit) for unit in missing])
        tqdm.write(f"Grow {grow_step}: {forecast(plan.make_rows, rows, first, workers.lanes())}")
    started = time.perf_counter()
    with tqdm(total=wanted, initial=there, unit="source", desc=f"Grow {grow_step}", disable=not progress) as bar:
        workers(plan, buffer, missing, bar.update)
    return _report(buffer.select(grow_step=grow_step), time.perf_counter() - started, len(units), len(missing))


def _draw_rows(available: int, wanted: int, seed: int, grow_step: int) -> NDArray[np.int64]:
    if wanted > available:
        raise ValueError(
            f"num_sources is {wanted}, the train split has {available}; give at most that, or None for all"
        )
    if wanted == available:
        return np.arange(available, dtype=np.int64)
    # The spawn key keeps this stream apart from shard 0's, as entropy (s, g) and (s, g, 0) would coincide.
    rng = np.random.default_rng(np.random.SeedSequence((seed, grow_step), spawn_key=(0,)))
    return np.sort(rng.choice(available, wanted, replace=False)).astype(np.int64)


def shard_seed(seed: int, grow_step: int, shard_index: int) -> int:
    """A shard's own seed, in [0, 2^63)."""
    state = np.random.SeedSequence((seed, grow_step, shard_index)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _make_shard(
    policy: Sampler, scorer: Scorer, task: Task, split: Split, rows: NDArray[np.int64], provenance: Provenance
) -> Trajectories:
    """Sample, join the original pairs, score and order by source one shard's trajectories."""
    sources = [split.sources[row] for row in rows]
    encoded = encode_sources(sources, rows.tolist(), task.tokenizer, task.max_source_length)
    source = flatten(encoded)
    parts = []
    if provenance.candidates:
        seed = shard_seed(provenance.seed, provenance.grow_step, provenance.shard_index)
        samples = policy.sample(encoded, provenance.candidates, provenance.temperature, seed)
        _check_samples(samples, len(rows), provenance.candidates, task)
        parts.append(samples)
    if provenance.references:
        parts.append(
            _references(policy, task, encoded, [split.references[row] for row in rows], provenance.temperature)
        )
    places = np.concatenate([part.source_index for part in parts])
    texts = [text for part in parts for text in part.texts]
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Trajectories(
        source_index=rows[places],
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()]),
        tokens=np.concatenate([part.tokens for part in parts]),
        log_prob=np.concatenate([part.log_prob for part in parts]),
        terminated=np.concatenate([part.terminated for part in parts]),
        reward=score_once(scorer, [sources[place] for place in places], texts),
        is_reference=np.arange(len(places)) >= len(rows) * provenance.candidates,
        source_rows=rows,
        source_offsets=source.offsets,
        source_tokens=source.tokens,
    ).take(np.argsort(places, kind="stable").astype(np.int64))


def _references(
    policy: Sampler, task: Task, sources: list[list[int]], references: list[str], temperature: float
) -> Samples:
    """The original pairs as if the policy had written them."""
    targets, terminated = encode_references(references, task.tokenizer, task.max_target_length)
    log_probs = policy.log_probs(sources, targets, temperature)
    _check_log_probs(log_probs, targets)
    flat = flatten(targets)
    return Samples(
        source_index=np.arange(len(sources), dtype=np.int64),
        offsets=flat.offsets,
        tokens=flat.tokens,
        log_prob=np.concatenate(log_probs),
        terminated=np.array(terminated),
        texts=task.tokenizer.decode(targets),
    )


def _check_samples(samples: Samples, num_sources: int, candidates: int, task: Task) -> None:
    counts = np.bincount(samples.source_index, minlength=num_sources)
    if len(counts) != num_sources or np.any(counts != candidates):
        raise ValueError(
            f"the policy gave {counts.tolist()[:8]} samples to the first sources of {num_sources}; "
            f"it must give each {candidates}"
        )
    longest = int(np.diff(samples.offsets).max())
    if longest > task.max_target_length:
        raise ValueError(
            f"the policy sampled {longest} tokens where task {task.name!r} stops at {task.max_target_length}; "
            "give the policy that length limit"
        )
    ended = samples.tokens[samples.offsets[1:] - 1] == task.tokenizer.eos_id
    wrong = np.flatnonzero(ended != samples.terminated)
    if wrong.size:
        i = int(wrong[0])
        raise ValueError(
            f"sample {i} has terminated={bool(samples.terminated[i])} but its last token is "
            f"{samples.tokens[samples.offsets[i + 1] - 1]}; terminated means that it ends with "
            f"end-of-sequence ({task.tokenizer.eos_id})"
        )


def _check_log_probs(log_probs: Sequence[NDArray[np.float32]], targets: Sequence[Sequence[int]]) -> None:
    found, wanted = [len(values) for values in log_probs], [len(tokens) for tokens in targets]
    if found != wanted:
        raise ValueError(
            f"the policy gave {found[:8]} log-probabilities for targets of {wanted[:8]} tokens; give one each"
        )


def _report(grown: Slice, seconds: float, shards: int, written: int) -> GrowReport:
    tokens = distinct = samples = references = truncated = 0
    reward_samples = reward_references = 0.0
    for shard in grown.by_part():  # so that memory does not grow with them; all that a source has is in one
        rewards, original = shard.rewards, shard.is_reference
        tokens += shard.num_tokens
        distinct += shard.distinct_samples()
        samples += int((~original).sum())
        references += int(original.sum())
        truncated += int((~shard.terminated & ~original).sum())
        reward_samples += float(rewards[~original].sum(dtype=np.float64))
        reward_references += float(rewards[original].sum(dtype=np.float64))
    return GrowReport(
        trajectories=len(grown),
        distinct_samples=distinct,
        tokens=tokens,
        mean_reward_samples=reward_samples / samples if samples else math.nan,
        mean_reward_references=reward_references / references if references else math.nan,
        truncated_fraction=truncated / samples if samples else math.nan,
        seconds=seconds,
        shards_written=written,
        shards_skipped=shards - written,
    )
