"""What made a shard."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Literal, get_args

from seq2seq_env.suggestions import check_name

GrowFrom = Literal["train", "source-only", "both"]
"""The sources that a Grow step draws from: those of the pairs, those without references, or all."""

TASK_FIELDS = ("task", "task_fingerprint", "tokenizer_fingerprint", "pad_id")
"""Every shard of a buffer agrees on these."""

GROW_FIELDS = (
    "policy_fingerprint",
    "sampler",
    "scorer_fingerprint",
    "temperature",
    "grow_from",
    "candidates",
    "references",
    "num_sources",
    "sources_per_shard",
    "seed",
    "imported",
)
"""Shards of one Grow step agree on these too."""

UNKNOWN = "unknown"
"""Fingerprint of a policy or scorer that nobody recorded."""

MOST_SHARDS = 1_000_000
"""Of a Grow step: a file system's folder copes with no more, nor does a list of those that are missing."""


@dataclass(frozen=True)
class Provenance:
    """Everything that determines the contents of one shard; stored as attributes of its file.

    Attributes:
        task: Name of the task.
        task_fingerprint: Digest of the task's texts.
        tokenizer_fingerprint: Digest of the tokenizer.
        pad_id: The tokenizer's padding token, with which batches are padded, at least 0.
        policy_fingerprint: Digest of the behaviour policy.
        sampler: Class that drew from the policy.
        scorer_fingerprint: Digest of the scorer.
        temperature: Sampling temperature, above 0; NaN where trajectories were imported and nobody recorded it.
        grow_from: Sources that were drawn from: "train", "source-only" or "both".
        candidates: Samples a source, at least 0; of imported trajectories the most that a source has.
        references: 1 where the sources' original pairs are there too, 0 where not; without candidates 1, and 0 where
            ``grow_from`` is not "train"; of imported trajectories 1 where any of them is an original pair.
        num_sources: Sources of the whole Grow step, at least 1, and at most ``MOST_SHARDS`` shards of them.
        sources_per_shard: Sources of a full shard, at least 1.
        seed: The run's seed; the shard's own is derived from it, the Grow step and the shard index.
        grow_step: At least 0.
        shard_index: Place in the Grow step, from 0.
        shard_count: Units of Grow work in the file, those from ``shard_index`` on; above 1 after compaction.
        tokenizer_folder: Name of the folder beside the shard that holds the tokenizer; empty where nobody kept it.
        imported: What was imported and how, as JSON (:func:`buffers.import_rollouts`); empty where a Grow step sampled.

    Raises:
        ValueError: If a number is out of range, what was drawn from is unknown or has no references, or the folder's
            name leads elsewhere.
    """

    task: str
    task_fingerprint: str
    tokenizer_fingerprint: str
    pad_id: int
    policy_fingerprint: str
    sampler: str
    scorer_fingerprint: str
    temperature: float
    grow_from: str
    candidates: int
    references: int
    num_sources: int
    sources_per_shard: int
    seed: int
    grow_step: int
    shard_index: int
    shard_count: int = 1
    tokenizer_folder: str = ""
    imported: str = ""

    def __post_init__(self) -> None:
        unrecorded = bool(self.imported) and math.isnan(self.temperature)
        if not (unrecorded or (self.temperature > 0 and math.isfinite(self.temperature))):
            raise ValueError(f"temperature is {self.temperature}; sample at a finite temperature above 0")
        for name in ("num_sources", "sources_per_shard", "shard_count"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        for name in ("candidates", "seed", "grow_step", "shard_index", "pad_id"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 0")
        if self.references not in (0, 1) or self.candidates + self.references < 1:
            raise ValueError(
                f"candidates is {self.candidates} and references {self.references}; give candidates, references (1), "
                "or both"
            )
        check_name("grow_from", self.grow_from, get_args(GrowFrom))
        if self.references and self.grow_from != "train" and not self.imported:
            raise ValueError(
                f"references is {self.references} and grow_from {self.grow_from!r}, of which sentences have none; give "
                "references of 0, or grow_from 'train'"
            )
        if not re.fullmatch(r"(\w[\w.-]*)?", self.tokenizer_folder):
            raise ValueError(
                f"tokenizer_folder is {self.tokenizer_folder!r}; give the name of a folder beside the shard, or none"
            )
        shards = max(self.planned_shards, self.units.stop)
        if shards > MOST_SHARDS:
            raise ValueError(
                f"sources_per_shard is {self.sources_per_shard}, which makes {shards} shards; give more, for at most "
                f"{MOST_SHARDS} shards"
            )

    @property
    def planned_shards(self) -> int:
        """Units of work in the whole Grow step."""
        return -(-self.num_sources // self.sources_per_shard)

    @property
    def units(self) -> range:
        """The shard indices that the file covers."""
        return range(self.shard_index, self.shard_index + self.shard_count)

    @property
    def known_temperature(self) -> float | None:
        """The sampling temperature, above 0; None where nobody recorded it."""
        return None if math.isnan(self.temperature) else self.temperature

    def difference(self, other: Provenance) -> str | None:
        """What keeps the two out of one buffer, both values shown, or None where they go together."""
        same_step = self.grow_step == other.grow_step
        same_shard = same_step and self.units == other.units
        if same_shard:
            names = tuple(field.name for field in fields(self))
        else:
            names = TASK_FIELDS + GROW_FIELDS if same_step else TASK_FIELDS
        for name in names:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs and not (mine != mine and theirs != theirs):  # two temperatures of NaN are alike
                return f"{name} {mine!r} does not go with {theirs!r}"
        return None
