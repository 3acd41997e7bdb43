"""Grow plan: a Grow step as units of work, and how one unit's trajectories are sampled, joined and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from buffers.growing.source_rows import source_texts
from buffers.storage.encoding import encode_references, encode_sources, flatten
from buffers.storage.provenance import Provenance
from buffers.storage.trajectories import Samples, Trajectories
from seq2seq_env.scorers.scorer import Scorer, checked_scores
from seq2seq_env.tasks.task import Task
from seq2seq_env.tokenization.tokenizer import Tokenizer


class Sampler(Protocol):
    """What Grow needs of a policy; :class:`agents.Seq2SeqPolicy` is one. Several threads may call it at once."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the policy."""

    @property
    def engine(self) -> str:
        """What samples it, by name, with a version where that changes the bytes; a shard's ``sampler``."""

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
        task: Gives sources and references.
        first: Provenance of unit 0.
        rows: int64 [sources], rows of the sources as :mod:`buffers.growing.source_rows` numbers them, rising.
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
        """Rows of the sources that a unit is about, int64 [U]."""
        size = self.first.sources_per_shard
        return self.rows[unit * size : (unit + 1) * size]

    def make(self, unit: int) -> Trajectories:
        """A unit's trajectories: samples, original pairs or both, scored, ordered by source.

        Raises:
            ValueError: If a source is empty or too long, or the scorer or the policy gives something impossible.
        """
        rows, provenance = self.rows_of(unit), self.provenance(unit)
        sources = source_texts(self.task, rows)
        encoded = encode_sources(sources, rows.tolist(), self.task.tokenizer, self.task.max_source_length)
        source = flatten(encoded)
        parts = []
        if provenance.candidates:
            seed = shard_seed(provenance.seed, provenance.grow_step, provenance.shard_index)
            samples = self.policy.sample(encoded, provenance.candidates, provenance.temperature, seed)
            check_samples(samples, len(rows), provenance.candidates, self.task)
            parts.append(samples)
        if provenance.references:
            pairs = self.task.split("train")  # of which all rows are, as the provenance has made sure
            references = [pairs.references[row] for row in rows]
            parts.append(_references(self.policy, self.task, encoded, references, provenance.temperature))
        places = np.concatenate([part.source_index for part in parts])
        texts = [text for part in parts for text in part.texts]
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        # By source and not by part, so that what a filter compares lies together; the sort is stable: samples in the
        # order that the policy gave them, then the reference.
        return Trajectories(
            source_index=rows[places],
            offsets=np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()]),
            tokens=np.concatenate([part.tokens for part in parts]),
            log_prob=np.concatenate([part.log_prob for part in parts]),
            terminated=np.concatenate([part.terminated for part in parts]),
            reward=score_once(self.scorer, [sources[place] for place in places], texts),
            is_reference=np.arange(len(places)) >= len(rows) * provenance.candidates,
            source_rows=rows,
            source_offsets=source.offsets,
            source_tokens=source.tokens,
        ).take(np.argsort(places, kind="stable").astype(np.int64))


def shard_seed(seed: int, grow_step: int, shard_index: int) -> int:
    """A shard's own seed, in [0, 2^63)."""
    state = np.random.SeedSequence((seed, grow_step, shard_index)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def score_once(scorer: Scorer, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
    """float32 [N], the scorer called with each distinct pair once.

    Raises:
        ValueError: If a score is no number in [0, 1].
    """
    pairs: dict[tuple[str, str], int] = {}
    place = [pairs.setdefault(pair, len(pairs)) for pair in zip(sources, hypotheses, strict=True)]
    scores = checked_scores(scorer, [source for source, _ in pairs], [hypothesis for _, hypothesis in pairs])
    return scores[place]


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


def check_samples(samples: Samples, num_sources: int, candidates: int, task: Task) -> None:
    """Refuse what no sampler may give for ``num_sources`` sources with so many ``candidates`` of each.

    Raises:
        ValueError: If numbers, lengths, tokens or ends do not fit.
    """
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
    _check_tokens(samples, task.tokenizer)
    ended = samples.tokens[samples.offsets[1:] - 1] == task.tokenizer.eos_id
    wrong = np.flatnonzero(ended != samples.terminated)
    if wrong.size:
        i = int(wrong[0])
        raise ValueError(
            f"sample {i} has terminated={bool(samples.terminated[i])} but its last token is "
            f"{samples.tokens[samples.offsets[i + 1] - 1]}; terminated means that it ends with "
            f"end-of-sequence ({task.tokenizer.eos_id})"
        )


def _check_tokens(samples: Samples, tokenizer: Tokenizer) -> None:
    """Refuse ids that no target has: beyond the vocabulary, padding, and an end before the last token."""
    tokens, eos_id, pad_id = samples.tokens, tokenizer.eos_id, tokenizer.pad_id
    inner = np.ones(len(tokens), dtype=np.bool_)
    inner[samples.offsets[1:] - 1] = False
    is_padding = (tokens == pad_id) & (pad_id != eos_id)  # some tokenizers have one token for both
    outside = (tokens < 0) | (tokens >= tokenizer.vocab_size)
    wrong = np.flatnonzero(outside | is_padding | (inner & (tokens == eos_id)))
    if wrong.size:
        place = int(wrong[0])
        i = int(np.searchsorted(samples.offsets, place, side="right")) - 1
        raise ValueError(
            f"sample {i} has token {tokens[place]} at position {place - samples.offsets[i]} of "
            f"{samples.offsets[i + 1] - samples.offsets[i]}; a policy must write ids from 0 to "
            f"{tokenizer.vocab_size - 1}, no padding ({pad_id}), and end-of-sequence ({eos_id}) last alone"
        )


def _check_log_probs(log_probs: Sequence[NDArray[np.float32]], targets: Sequence[Sequence[int]]) -> None:
    lengths, wanted = [len(values) for values in log_probs], [len(tokens) for tokens in targets]
    if lengths != wanted:
        raise ValueError(
            f"the policy gave {lengths[:8]} log-probabilities for targets of {wanted[:8]} tokens; give one each"
        )
