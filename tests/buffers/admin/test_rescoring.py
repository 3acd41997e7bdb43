from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from buffers import GrowingBatchBuffer, RescoredShard, ShardError, Threshold, grow, rescore
from buffers.growing.plan import Sampler
from seq2seq_env.scorers import CascadeScorer
from seq2seq_env.scorers.scorer import Scorer
from seq2seq_env.tasks.task import Task
from tests.buffers.conftest import contents


class LengthScorer:
    """The more words, the better."""

    fingerprint = "length-1"

    def __init__(self, fail_at_call: int | None = None) -> None:
        self.fail_at_call, self.calls = fail_at_call, 0

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if self.calls == self.fail_at_call:
            raise RuntimeError("power cut")
        assert len(set(zip(sources, hypotheses, strict=True))) == len(sources)
        return np.array([min(1.0, len(h.split()) / 12) for h in hypotheses], dtype=np.float32)


@pytest.fixture
def buffer(sampler: Sampler, fake_scorer: Scorer, tiny_task: Task, tmp_path: Path) -> GrowingBatchBuffer:
    """Two Grow steps of three shards."""
    made = GrowingBatchBuffer(tmp_path / "buffer", task=tiny_task)
    for grow_step in (1, 2):
        grow(
            sampler,
            fake_scorer,
            tiny_task,
            made,
            grow_step=grow_step,
            candidates=5,
            temperature=0.8,
            seed=0,
            sources_per_shard=10,
            progress=False,
        )
    return made


def test_another_scorers_rewards_stand_beside_the_first(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    before, first = contents(buffer.path), buffer.select().rewards
    assert rescore(buffer, LengthScorer(), tiny_task, "length", progress=False) == 6
    data = buffer.select(scorer="length")
    everything = data.read()
    rows = [row.tolist() for row in np.split(everything.tokens, everything.offsets[1:-1])]
    wanted = [min(1.0, len(text.split()) / 12) for text in tiny_task.tokenizer.decode(rows)]
    np.testing.assert_allclose(data.rewards, wanted, rtol=1e-6)
    np.testing.assert_array_equal(everything.reward, data.rewards)
    kept = buffer.select(Threshold(0.2), grow_step=2, scorer="length")
    assert 0 < len(kept) < len(data)
    assert min(float(batch.reward.min()) for batch in kept.batches(100, seed=0)) > 0.2
    np.testing.assert_array_equal(buffer.select().rewards, first)
    assert {name: data for name, data in contents(buffer.path).items() if not name.startswith("scores/")} == before
    GrowingBatchBuffer(buffer.path, task=tiny_task).verify()


def test_sentences_without_references_are_rescored_by_their_texts(
    sampler: Sampler, fake_scorer: Scorer, monolingual_task: Task, tmp_path: Path
) -> None:
    grown = GrowingBatchBuffer(tmp_path, task=monolingual_task)
    grow(
        sampler, fake_scorer, monolingual_task, grown, grow_step=1, grow_from="both", references=False, candidates=3,
        temperature=0.8, seed=0, sources_per_shard=10, progress=False,
    )  # fmt: skip
    # The scorer knows the sources, so that another order of them would give other rewards.
    assert rescore(grown, fake_scorer, monolingual_task, "again", progress=False) == 3
    np.testing.assert_array_equal(grown.select(scorer="again").rewards, grown.select().rewards)
    assert len(set(grown.select().rewards.tolist())) > 2


def test_a_killed_rescoring_resumes_to_the_same_bytes(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    whole = buffer.path.with_name("whole")
    shutil.copytree(buffer.path, whole)
    rescore(GrowingBatchBuffer(whole, task=tiny_task), LengthScorer(), tiny_task, "length", progress=False)
    with pytest.raises(RuntimeError, match="power cut"):
        rescore(buffer, LengthScorer(fail_at_call=3), tiny_task, "length", progress=False)
    with pytest.raises(ShardError, match=r"g001-s00002\.h5' has no rewards 'length'; name those of another scorer, or"):
        len(buffer.select(Threshold(0.5), scorer="length"))
    assert rescore(buffer, LengthScorer(), tiny_task, "length", progress=False) == 4
    assert contents(buffer.path) == contents(whole)
    assert rescore(buffer, LengthScorer(fail_at_call=1), tiny_task, "length", progress=False) == 0


def test_one_grow_step_can_be_rescored(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    assert rescore(buffer, LengthScorer(), tiny_task, "length", grow_step=2, progress=False) == 3
    assert len(buffer.select(grow_step=2, scorer="length").rewards) == 144
    with pytest.raises(ValueError, match="does not have Grow step 7"):
        rescore(buffer, LengthScorer(), tiny_task, "length", grow_step=7, progress=False)


def test_a_column_has_one_scorer_and_a_plain_name(
    buffer: GrowingBatchBuffer, tiny_task: Task, fake_scorer: Scorer
) -> None:
    rescore(buffer, LengthScorer(), tiny_task, "length", progress=False)
    with pytest.raises(ShardError, match="come from scorer length-1, not from overlap-1; choose another name"):
        rescore(buffer, fake_scorer, tiny_task, "length", progress=False)
    rescore(buffer, LengthScorer(), tiny_task, "begun", grow_step=1, progress=False)
    with pytest.raises(ShardError, match=r"of g001-s00000\.h5 come from scorer length-1, not from overlap-1"):
        rescore(buffer, fake_scorer, tiny_task, "begun", grow_step=2, progress=False)
    for name in ("", "../x", "a/b", ".hidden"):
        with pytest.raises(ValueError, match=r"a column cannot be called .*; use letters"):
            rescore(buffer, fake_scorer, tiny_task, name, progress=False)


def test_another_scorer_that_comes_in_between_is_noticed(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    class Interrupted(LengthScorer):
        def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
            for shard in buffer.shards[-1:]:
                RescoredShard(shard, "length").write(shard.column("reward"), "other-1")
            return super().score(sources, hypotheses)

    with pytest.raises(ShardError, match=r"g002-s00002\.h5 come from scorer other-1, not from length-1"):
        rescore(buffer, Interrupted(), tiny_task, "length", progress=False)
    assert len(buffer.select(grow_step=1, scorer="length")) > 0
    mixed = "come from several scorers: length-1 rated g001-s00000.h5, other-1 rated g002-s00002.h5; delete those"
    with pytest.raises(ShardError, match=re.escape(mixed)):
        buffer.select(scorer="length")


def test_rewards_of_another_shard_are_refused(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    rescore(buffer, LengthScorer(), tiny_task, "length", progress=False)
    column = buffer.path / "scores" / "length"
    shutil.copy(column / "g001-s00000.h5", column / "g001-s00001.h5")
    with pytest.raises(ShardError, match=r"length/g001-s00001\.h5' do not belong to the shard of that name"):
        len(buffer.select(Threshold(0.5), scorer="length"))


def test_corrupt_rewards_are_found(buffer: GrowingBatchBuffer, tiny_task: Task) -> None:
    rescore(buffer, LengthScorer(), tiny_task, "length", progress=False)
    file = buffer.path / "scores" / "length" / "g001-s00001.h5"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ShardError, match=r"length/g001-s00001\.h5' is corrupt"):
        buffer.verify()


def test_both_scorers_of_a_cascade_have_a_column(
    buffer: GrowingBatchBuffer, fake_scorer: Scorer, tiny_task: Task
) -> None:
    class Other(LengthScorer):
        fingerprint = "length-2"

    grown, dear = buffer.select(grow_step=1).rewards, LengthScorer()
    rescore(buffer, CascadeScorer(fake_scorer, dear, gate=0.5), tiny_task, "after", grow_step=1, progress=False)
    assert buffer.score_columns == ["after"]  # the cheap one's are the shards' own
    after = buffer.select(grow_step=1, scorer="after").rewards
    np.testing.assert_array_equal(after[grown <= 0.5], grown[grown <= 0.5])
    assert 0 < (after != grown).sum() <= (grown > 0.5).sum()
    rescore(buffer, CascadeScorer(Other(), fake_scorer, gate=0.2), tiny_task, "both", grow_step=1, progress=False)
    cheap, both = (buffer.select(grow_step=1, scorer=name).rewards for name in ("both.cheap", "both"))
    np.testing.assert_array_equal(both, np.where(cheap > np.float32(0.2), grown, cheap))
