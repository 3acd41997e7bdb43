from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import buffers.storage.columns
import buffers.storage.turns
from buffers import GrowingBatchBuffer, Percentile, Provenance, Shard, Slice, Threshold, Trajectories, coverage
from buffers.storage.columns import Columns
from seq2seq_env.tasks.task import Task


@pytest.fixture
def grown(tmp_path: Path, trajectories: Trajectories, provenance: Provenance) -> Slice:
    """Nine trajectories in three shards, with rewards 0, 1/8, ..., 1 in order."""
    buffer = GrowingBatchBuffer(tmp_path)
    for index in range(3):
        reward = ((np.arange(3) + 3 * index) / 8).astype(np.float32)
        buffer.append(replace(trajectories, reward=reward), replace(provenance, shard_index=index))
    return buffer.select()


def test_a_filter_gives_a_view_and_views_nest(grown: Slice) -> None:
    upper = grown.select(Threshold(0.25))
    assert upper.rewards.tolist() == [0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    assert upper.select(Threshold(0.75)).rewards.tolist() == [0.875, 1.0]
    assert upper.source_index.tolist() == [4, 4, 7, 4, 4, 7]
    assert upper.is_reference.tolist() == [False, True, False] * 2
    assert upper.terminated.tolist() == [True, True, False] * 2
    assert (len(grown), len(upper), grown.num_tokens, upper.num_tokens) == (9, 6, 18, 12)
    assert (grown.mean_reward(), upper.mean_reward()) == (0.5, 0.6875)
    assert repr(upper) == "Slice(trajectories=[6] of [9], tokens=[12], parts=[3])"


def test_a_view_reads_the_rows_it_names(grown: Slice) -> None:
    odd = grown.where(np.arange(9) % 2 == 1).read()
    assert odd.reward.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert odd.source_index.tolist() == [4, 4, 7, 4]
    assert odd.tokens.tolist() == [0, 5, 0, 6, 7, 8, 0]


def test_what_is_drawn_is_spread_over_all_rows_and_repeats(grown: Slice) -> None:
    drawn = [grown.drawn(3, seed=seed) for seed in range(20)]
    assert all(len({*each.rows}) == 3 and (np.diff(each.rows) > 0).all() for each in drawn)
    assert {row for each in drawn for row in each.rows} == set(range(9))
    assert grown.drawn(3, seed=1).rows.tolist() == drawn[1].rows.tolist()
    assert grown.drawn(9, seed=0) is grown


def test_shards_are_read_once_and_only_where_needed(grown: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = Shard.read

    def count(shard: Shard) -> Trajectories:
        read.append(shard.path.name)
        return original(shard)

    monkeypatch.setattr(Shard, "read", count)
    upper = grown.select(Threshold(0.3))
    for seed in range(3):
        assert sum(len(batch) for batch in upper.batches(6, seed=seed)) == 6
    assert read == ["g001-s00001.h5", "g001-s00002.h5"]


def test_more_than_fits_in_memory_is_read_in_turns(grown: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers.storage.turns, "POOL_TOKENS", 7)  # a shard has 6
    monkeypatch.setattr(buffers.storage.turns, "TURN_TOKENS", 7)

    def epoch(seed: int, shuffle: bool = True) -> list[float]:
        return [r for batch in grown.batches(6, seed=seed, shuffle=shuffle) for r in batch.reward.tolist()]

    assert epoch(0) == epoch(0)
    assert len({tuple(epoch(seed)) for seed in range(8)}) > 1
    for seed in range(8):
        assert sorted(epoch(seed)) == grown.rewards.tolist()
    assert epoch(0, shuffle=False) == grown.rewards.tolist()
    assert grown.distinct_samples() == 2


def test_of_more_rows_than_are_held_each_part_is_read_alone(grown: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = Columns(grown._columns.parts)
    wanted = [Slice.of_columns(columns, 18, None, each) for each in (Threshold(0.3), Percentile(50))]
    plan = [rows.tolist() for rows in wanted[0].plan(6, seed=3)]
    assert plan == [batch.row.tolist() for batch in wanted[0].batches(6, seed=3)]
    facts = [(each.rows.tolist(), each.rewards.tolist(), each.source_index.tolist()) for each in wanted]
    monkeypatch.setattr(buffers.storage.columns, "CACHED_ROWS", 2)
    monkeypatch.setattr(Columns, "_joined", None)  # no column is put together
    monkeypatch.setattr(Columns, "is_one_step", True)  # a source's candidates are compared within each part alone
    large = Columns(grown._columns.parts)
    alone = [Slice.of_columns(large, 18, None, each) for each in (Threshold(0.3), Percentile(50))]
    assert (alone[0].rows.tolist(), alone[0].rewards.tolist(), alone[0].source_index.tolist()) == facts[0]
    assert alone[1].rows.tolist() == [1, 4, 7]
    assert [rows.tolist() for rows in alone[0].plan(6, seed=3)] == plan
    assert len(alone[0].where(np.zeros(len(alone[0]), dtype=np.bool_)).rewards) == 0


def test_a_slice_shard_by_shard(grown: Slice) -> None:
    upper = grown.where(np.arange(9) > 3)
    parts = [*upper.by_part()]
    assert [len(part) for part in parts] == [0, 2, 3]
    assert np.concatenate([part.rewards for part in parts]).tolist() == upper.rewards.tolist()
    assert [part.distinct_samples() for part in parts] == [0, 1, 2]
    assert parts[1].read().source_index.tolist() == upper.source_index[:2].tolist()


def test_equal_trajectories_have_one_first(grown: Slice) -> None:
    # Each shard holds the same three pairs: the sample of row 4, its reference, and the sample of row 7.
    assert grown.firsts().tolist() == [0, 1, 2] * 3
    upper = grown.where(np.arange(9) > 3)
    assert upper.firsts().tolist() == [4, 5, 6, 4, 5]
    assert grown.distinct().rows.tolist() == [0, 1, 2]
    assert upper.distinct().rows.tolist() == [4, 5, 6]
    assert len(grown.where(np.zeros(9, dtype=np.bool_)).distinct()) == 0


def test_a_filter_that_keeps_nothing_says_so(grown: Slice) -> None:
    none = grown.select(Percentile(99)).select(Threshold(0.5)).select(Percentile(99))
    assert len(none) == 0
    assert list(none.batches(100, seed=0)) == []
    assert math.isnan(none.mean_reward())
    assert (none.num_tokens, none.distinct_samples(), len(none.read())) == (0, 0, 0)
    report = coverage(grown, none)
    assert (report.kept_trajectories, report.kept_fraction, report.sources_without_data) == (0, 0.0, 2)
    assert report.sources_without_data_fraction == 1.0
    assert math.isnan(report.mean_reward_after)
    assert str(report) == "the filter keeps nothing of 9 trajectories; lower its value or skip this step"


def test_coverage_by_hand(grown: Slice) -> None:
    # Kept: 0.75 (sample, row 4), 0.875 (reference, row 4), 1.0 (sample, row 7).
    report = coverage(grown, grown.select(Threshold(0.7)))
    assert report == coverage(grown, grown.where(np.arange(9) >= 6))
    assert (report.trajectories, report.kept_trajectories, report.kept_fraction) == (9, 3, 3 / 9)
    assert (report.sources, report.sources_without_data, report.sources_without_data_fraction) == (2, 0, 0.0)
    assert (report.tokens, report.kept_tokens, report.distinct_samples) == (18, 6, 2)
    assert (report.mean_reward_before, report.mean_reward_after) == (0.5, 0.875)
    one = coverage(grown, grown.select(Threshold(0.9)))
    assert (one.sources_without_data, one.sources_without_data_fraction) == (1, 0.5)
    assert str(one) == (
        "keeps 1 of 9 trajectories (11.1%), 3 tokens, 1 distinct samples; mean reward 0.500 -> 1.000; "
        "1 of 2 sources keep nothing"
    )


def test_coverage_of_another_slice_is_refused(grown: Slice) -> None:
    with pytest.raises(ValueError, match="is not what a filter keeps of"):
        coverage(grown.select(Threshold(0.9)), grown)


def test_distinct_samples_tell_sources_order_and_length_apart(trajectories: Trajectories) -> None:
    def distinct(rows: list[list[int]], sources: list[int]) -> int:
        tokens = np.array([token for row in rows for token in row], dtype=np.int32)
        made = replace(
            trajectories,
            source_index=np.array(sources),
            offsets=np.cumsum([0, *map(len, rows)]),
            tokens=tokens,
            log_prob=np.zeros(len(tokens), dtype=np.float32),
            terminated=np.ones(len(rows), dtype=bool),
            reward=np.zeros(len(rows), dtype=np.float32),
            is_reference=np.zeros(len(rows), dtype=bool),
        )
        return Slice.from_trajectories(made, pad_id=18).distinct_samples()

    assert distinct([[5, 6, 0], [5, 6, 0]], [4, 4]) == 1
    assert distinct([[5, 6, 0], [5, 6, 0]], [4, 7]) == 2
    assert distinct([[5, 6, 0], [6, 5, 0]], [4, 4]) == 2
    assert distinct([[5, 0], [5]], [4, 4]) == 2
    assert distinct([[0, 0], [0]], [4, 4]) == 2


def test_pairs_become_unscored_references(tiny_task: Task) -> None:
    split = tiny_task.split("train")
    pairs = Slice.from_pairs(split.sources, split.references, tiny_task.tokenizer, 12, 12)
    assert len(pairs) == 24
    assert np.isnan(pairs.rewards).all()
    assert pairs.is_reference.all()
    assert pairs.terminated.all()
    batches = list(pairs.batches(20, seed=0))
    assert sum(len(batch) for batch in batches) == 24
    found = set()
    for batch in batches:
        assert batch.log_prob[batch.target_mask].isnan().all()
        assert not batch.log_prob[~batch.target_mask].any()
        assert (batch.target[~batch.target_mask] == tiny_task.tokenizer.pad_id).all()
        texts = [tiny_task.tokenizer.decode(ids.tolist()) for ids in (batch.source, batch.target)]
        found |= set(zip(*texts, strict=True))
    assert found == set(zip(split.sources, split.references, strict=True))


def test_a_long_reference_is_truncated_as_an_episode_would_be(tiny_task: Task) -> None:
    pairs = Slice.from_pairs(["eins rot haus"], ["one red house"], tiny_task.tokenizer, 4, 3)
    assert pairs.terminated.tolist() == [False]
    assert tiny_task.tokenizer.decode([pairs.read().tokens.tolist()]) == ["one red house"]
    assert pairs.num_tokens == 3


@pytest.mark.parametrize(
    ("sources", "references", "message"),
    [
        (["eins", " "], ["one", "two"], r"source at row 1 is empty \(' '\); drop the pair"),
        (["eins", "zwei rot haus"], ["one", "two"], "source at row 1 has 4 tokens, 3 are allowed: 'zwei rot haus'"),
        (["eins"], ["one", "two"], "1 sources and 2 references"),
        ([], [], "0 sources and 0 references; give pairs, at least one"),
    ],
)
def test_bad_pairs_are_refused(tiny_task: Task, sources: list[str], references: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Slice.from_pairs(sources, references, tiny_task.tokenizer, 3, 3)


def test_filtering_unscored_pairs_is_refused(tiny_task: Task) -> None:
    pairs = Slice.from_pairs(["eins"], ["one"], tiny_task.tokenizer, 12, 12)
    with pytest.raises(ValueError, match="has no rewards to filter by"):
        pairs.select(Threshold(0.5))


def test_memory_and_disk_give_the_same_batches(grown: Slice) -> None:
    """But for the temperature, which a shard records."""
    memory = Slice.from_trajectories(grown.read(), grown.pad_id)

    def batches(rows: Slice) -> list[dict[str, Any]]:
        return [{k: v.tolist() for k, v in vars(batch).items()} for batch in rows.batches(8, seed=2)]

    found, wanted = batches(memory), batches(grown)
    assert np.concatenate([batch.pop("temperature") for batch in wanted]) == pytest.approx(0.8)
    assert all(np.isnan(batch.pop("temperature")).all() for batch in found)
    assert found == wanted


def test_reading_a_whole_slice_is_exact(
    grown: Slice, trajectories: Trajectories, assert_equal: Callable[[Trajectories, Trajectories], None]
) -> None:
    whole = trajectories.take(np.tile(np.arange(3), 3))
    assert_equal(grown.read(), replace(whole, reward=(np.arange(9) / 8).astype(np.float32)))
