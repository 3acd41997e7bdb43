"""Rewriting of samples: each keeps its beginning, and the policy writes the rest anew.

Re-ReST (Dou et al. 2024, arXiv 2406.01495) corrects what the filter refused, and adds what then passes; there a second
model rewrites by feedback, here the policy itself, from a token on that the caller names.

Shape letters: N trajectories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from buffers.growing.grow import make_missing
from buffers.growing.plan import GrowPlan, Sampler, check_samples, score_once, shard_seed
from buffers.growing.source_rows import source_texts
from buffers.growing.workers import Workers
from buffers.growing_batch import GrowingBatchBuffer
from buffers.slices import Slice
from buffers.storage.provenance import Provenance
from buffers.storage.trajectories import Samples, Trajectories
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task


class PrefixSampler(Sampler, Protocol):
    """A sampler that can be told how translations begin; :class:`agents.Seq2SeqPolicy` is one."""

    def sample(
        self,
        sources: Sequence[Sequence[int]],
        num_candidates: int,
        temperature: float,
        seed: int,
        prefixes: Sequence[Sequence[int]] | None = None,
    ) -> Samples:
        """Samples that begin with their source's prefix, whose tokens have log-probability 0."""


@dataclass(frozen=True)
class RewritePlan(GrowPlan):
    """Rewrites as units of work, each a pure function of the plan and its number.

    Attributes:
        samples: What is rewritten, each once.
        kept: int64 [N], tokens that each sample keeps, fewer than it has.
    """

    policy: PrefixSampler
    samples: Trajectories
    kept: NDArray[np.int64]

    def make(self, unit: int) -> Trajectories:
        """The rewrites of a unit's sources, scored, ordered as the samples.

        Raises:
            ValueError: If the scorer or the policy gives something impossible.
        """
        provenance = self.provenance(unit)
        mine = np.flatnonzero(np.isin(self.samples.source_index, self.rows_of(unit))).astype(np.int64)
        old, kept = self.samples.take(mine), self.kept[mine]
        sources = [
            old.source_tokens[low:high].tolist()
            for place in old.source_positions
            for low, high in [old.source_offsets[place : place + 2]]
        ]
        prefixes = [old.tokens[start : start + keep].tolist() for start, keep in zip(old.offsets, kept, strict=False)]
        # Of Grow's own seed for the shard, whose numbers would write a refused sample again.
        grown = shard_seed(provenance.seed, provenance.grow_step, provenance.shard_index)
        seed = shard_seed(grown, provenance.grow_step, provenance.shard_index)
        new = self.policy.sample(sources, 1, provenance.temperature, seed, prefixes)
        check_samples(new, len(old), 1, self.task)
        log_prob = new.log_prob.copy()
        for start, first, keep in zip(new.offsets, old.offsets, kept, strict=False):
            log_prob[start : start + keep] = old.log_prob[first : first + keep]
        texts = source_texts(self.task, old.source_index)
        return replace(
            old, offsets=new.offsets, tokens=new.tokens, log_prob=log_prob, terminated=new.terminated,
            reward=score_once(self.scorer, texts, new.texts),
        )  # fmt: skip


@dataclass(frozen=True)
class RewriteReport:
    """What came of rewriting.

    Attributes:
        rewritten: Samples that were rewritten.
        changed: Of them, those that came out otherwise than they were.
        kept_tokens: Share of their tokens that they kept.
        mean_reward_before: Of the samples, in [0, 1].
        mean_reward_after: Of the rewrites, in [0, 1].
        seconds: Wall clock of making this call's shards.
    """

    rewritten: int
    changed: int
    kept_tokens: float
    mean_reward_before: float
    mean_reward_after: float
    seconds: float


def rewrite(
    policy: PrefixSampler,
    scorer: Scorer,
    task: Task,
    buffer: GrowingBatchBuffer,
    samples: Slice,
    kept: NDArray[np.int64],
    *,
    grown: Provenance,
    located_by: str,
    seed: int,
    workers: Workers | None = None,
    progress: bool = True,
) -> RewriteReport:
    """Fill a buffer with rewrites of samples, under the number of their Grow step, resuming after its finished shards.

    The kept tokens have the log-probabilities that they were drawn with, so that a rewrite has those of the whole
    target under the policy. It is no plain sample: what it keeps was chosen.

    Args:
        policy: That drew the samples, as it was then.
        scorer: Rates the rewrites.
        task: Gives the sources' texts.
        buffer: Another than the samples', where the shards go.
        samples: At least one, of one Grow step, no original pairs.
        kept: int64 [N], tokens that each keeps, fewer than it has.
        grown: Of the samples.
        located_by: What said how many tokens are kept, for the shards' provenance.
        seed: The run's.
        workers: As for :func:`buffers.grow`.
        progress: Show sources done, rate and time left.

    Raises:
        ValueError: If there is no sample, or an original pair among them, one would keep all of its tokens, another
            policy drew them, the buffer holds shards made otherwise, or some are left to other workers.
        OSError: If a shard cannot be written.
    """
    if len(kept) != len(samples) or not len(kept):
        raise ValueError(f"kept has {len(kept)} numbers for {len(samples)} samples; give one for each of at least one")
    if np.any(samples.is_reference) or np.any(samples.grow_step != grown.grow_step):
        raise ValueError(
            f"samples hold original pairs, or others than Grow step {grown.grow_step} has; give that step's samples"
        )
    whole = np.flatnonzero((kept < 0) | (kept >= samples.target_lengths))
    if whole.size:
        raise ValueError(
            f"sample {whole[0]} has {samples.target_lengths[whole[0]]} tokens and keeps {kept[whole[0]]}; give 0 or "
            "more, and fewer than it has"
        )
    if policy.fingerprint != grown.policy_fingerprint:
        raise ValueError(
            f"the samples are of policy {grown.policy_fingerprint[:12]}, not of {policy.fingerprint[:12]}; give the "
            "one that drew them"
        )
    old = samples.read()
    rows, counts = np.unique(old.source_index, return_counts=True)
    digest = hashlib.sha256(b"".join(each.tobytes() for each in (old.source_index, old.offsets, old.tokens, kept)))
    first = replace(
        grown,
        sampler=f"{policy.engine}, rewriting {digest.hexdigest()[:12]} from where {located_by} says",
        scorer_fingerprint=scorer.fingerprint, candidates=int(counts.max()), references=0, num_sources=len(rows),
        seed=seed, shard_index=0, shard_count=1,
    )  # fmt: skip
    plan = RewritePlan(policy, scorer, task, first, rows, old, kept)
    made = make_missing(plan, buffer, workers, f"Rewrite {first.grow_step}", progress=progress)
    if made.missing:
        raise ValueError(
            f"{made.missing} shards of rewrites are left to other workers; call rewrite when they are there"
        )
    new = buffer.select(grow_step=first.grow_step)
    tokens = new.read()
    changed = sum(
        not np.array_equal(old.tokens[low:high], tokens.tokens[start:end])
        for (low, high), (start, end) in zip(pairwise(old.offsets), pairwise(tokens.offsets), strict=True)
    )
    return RewriteReport(
        len(old), changed, float(kept.sum() / samples.num_tokens), samples.mean_reward(), new.mean_reward(),
        made.seconds,
    )  # fmt: skip
