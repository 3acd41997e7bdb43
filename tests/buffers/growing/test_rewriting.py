"""Rewrites of samples as shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from buffers import GrowingBatchBuffer, Samples, Threshold, grow, rewrite
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import FakeSampler, contents
from tests.buffers.growing.conftest import SETTINGS


class FakePrefixSampler(FakeSampler):
    """Goes on from a prefix with one word that the seed and the row choose, and ends."""

    def sample(
        self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int,
        prefixes: Sequence[Sequence[int]] | None = None,
    ) -> Samples:  # fmt: skip
        if prefixes is None:
            return super().sample(sources, num_candidates, temperature, seed)
        words = np.random.default_rng(seed).integers(12, 16, size=len(sources)).tolist()
        rows = [
            [*prefix, word, self.tokenizer.eos_id][: self.limit] for prefix, word in zip(prefixes, words, strict=True)
        ]
        log_prob = [
            [0.0] * len(prefix) + [-0.5] * (len(row) - len(prefix)) for prefix, row in zip(prefixes, rows, strict=True)
        ]
        return Samples(
            source_index=np.arange(len(rows), dtype=np.int64),
            offsets=np.cumsum([0, *map(len, rows)]).astype(np.int64),
            tokens=np.concatenate(rows).astype(np.int32),
            log_prob=np.concatenate(log_prob).astype(np.float32),
            terminated=np.array([row[-1] == self.tokenizer.eos_id for row in rows]),
            texts=self.tokenizer.decode(rows),
        )


def test_a_rewrite_keeps_its_beginning_with_its_log_probabilities(
    fake_scorer: Scorer, tiny_task: Task, tmp_path: Path
) -> None:
    policy = FakePrefixSampler(tiny_task)
    source = GrowingBatchBuffer(tmp_path / "buffer", task=tiny_task)
    grow(policy, fake_scorer, tiny_task, source, **SETTINGS)
    samples = source.select()
    refused = samples.where(~samples.is_reference).distinct()
    refused = refused.where(~Threshold(0.5)(refused.source_index, refused.rewards))
    kept = (refused.target_lengths // 2).astype(np.int64)
    settings: dict[str, Any] = {
        "grown": source.shards[0].provenance, "located_by": "half", "seed": 3, "progress": False
    }  # fmt: skip
    buffer = GrowingBatchBuffer(tmp_path / "rewrites", task=tiny_task)
    report = rewrite(policy, fake_scorer, tiny_task, buffer, refused, kept, **settings)
    new, old = buffer.select().read(), refused.read()
    assert report.rewritten == len(new) == len(old)
    assert 0 < report.changed <= report.rewritten
    assert new.source_index.tolist() == old.source_index.tolist()
    for row, keep in enumerate(kept):
        before, after = old.offsets[row], new.offsets[row]
        assert new.tokens[after : after + keep].tolist() == old.tokens[before : before + keep].tolist()
        assert new.log_prob[after : after + keep].tolist() == old.log_prob[before : before + keep].tolist()
        assert set(new.log_prob[after + keep : new.offsets[row + 1]].tolist()) <= {-0.5}
    provenance = buffer.shards[0].provenance
    assert provenance.sampler.startswith("fake, rewriting ")
    assert provenance.sampler.endswith(" from where half says")
    assert (provenance.grow_step, provenance.references) == (SETTINGS["grow_step"], 0)
    assert provenance.num_sources == len(np.unique(old.source_index))
    both = samples.joined(buffer.select())
    assert len(both) == len(samples) + len(new)
    assert both.rewards.tolist() == [*samples.rewards.tolist(), *new.reward.tolist()]
    # Killed before its last shard, it goes on to the same bytes.
    whole = contents(buffer.path)
    buffer.shards[-1].path.unlink()
    rewrite(policy, fake_scorer, tiny_task, GrowingBatchBuffer(buffer.path), refused, kept, **settings)
    assert contents(buffer.path) == whole
    for samples_of, numbers, message in (
        (refused, kept + 100, r"sample 0 has \d+ tokens and keeps \d+; give 0"),
        (refused, kept[:-1], "numbers for \\d+ samples; give one for each"),
    ):
        with pytest.raises(ValueError, match=message):
            rewrite(policy, fake_scorer, tiny_task, buffer, samples_of, numbers, **settings)
    policy.fingerprint = "policy-2"
    with pytest.raises(ValueError, match="the samples are of policy policy-1, not of policy-2; give the one that drew"):
        rewrite(policy, fake_scorer, tiny_task, buffer, refused, kept, **settings)
