from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import buffers.storage.turns
from buffers import Slice, TokenBatch, Trajectories
from buffers.batches import collate, plan_batches
from buffers.storage.columns import Columns, InMemory

TEMPERATURE = np.array([0.5, 0.75, 1.0], dtype=np.float32)


def test_a_batch_by_hand(trajectories: Trajectories) -> None:
    batch = collate(trajectories, np.array([2, 0]), pad_id=18, storage_rows=np.arange(10, 13), temperature=TEMPERATURE)
    assert batch.source.tolist() == [[4, 0, 18], [2, 3, 0]]
    assert batch.source_mask.tolist() == [[True, True, False], [True, True, True]]
    assert batch.target.tolist() == [[6, 7, 8], [5, 0, 18]]
    assert batch.target_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.log_prob.tolist() == [[-1, 0, -2], [-0.5, -0.25, 0]]
    assert batch.temperature.tolist() == [1.0, 0.5]
    assert batch.reward.tolist() == [1, 0.25]
    assert batch.terminated.tolist() == [False, True]
    assert batch.is_reference.tolist() == [False, False]
    assert batch.row.tolist() == [12, 10]
    assert batch.group.tolist() == [0, 1]
    dtypes = [tensor.dtype for tensor in vars(batch).values()]
    integers, masks, floats = torch.int64, torch.bool, torch.float32
    assert dtypes == [integers, masks, integers, masks, floats, floats, floats, masks, masks, integers, integers]
    assert (len(batch), batch.num_target_tokens) == (2, 5)
    assert "target=torch.int64[2, 3]" in repr(batch)
    assert batch.to("meta").log_prob.device.type == "meta"


def test_the_share_of_a_process_is_whole_groups(trajectories: Trajectories) -> None:
    rows = np.array([2, 0, 1, 2, 0, 1])
    batch = collate(trajectories, rows, 18, np.arange(3), TEMPERATURE, group_size=2)
    assert (batch.group.tolist(), batch.group_size) == ([0, 0, 1, 1, 2, 2], 2)
    assert [batch.share(rank, 2).row.tolist() for rank in (0, 1)] == [[2, 0, 0, 1], [1, 2]]
    assert (batch.share(0, 2).group_size, batch.share(1, 2).group_size, len(batch.share(3, 4))) == (2, 2, 0)
    single = collate(trajectories, rows, 18, np.arange(3), TEMPERATURE)
    assert [single.share(rank, 4).row.tolist() for rank in range(4)] == [[2, 0], [0, 1], [1], [2]]


@pytest.mark.parametrize(
    ("field", "shape"), [("target_mask", (2, 2)), ("log_prob", (2, 4)), ("reward", (3,)), ("source", (2,))]
)
def test_a_batch_of_other_shapes_is_refused(trajectories: Trajectories, field: str, shape: tuple[int, ...]) -> None:
    batch = collate(trajectories, np.array([2, 0]), pad_id=18, storage_rows=np.arange(3), temperature=TEMPERATURE)
    with pytest.raises(ValueError, match=r"it must have .* to fit the others"):
        replace(batch, **{field: torch.zeros(shape)})


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=60),
    st.integers(1, 100),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_each_row_once_and_the_budget_kept(lengths: list[tuple[int, int]], budget: int, seed: int | None) -> None:
    source, target = np.array(lengths, dtype=np.int64).reshape(-1, 2).T
    plan = plan_batches(source, target, budget, None if seed is None else np.random.default_rng(seed))
    assert sorted(int(row) for rows in plan for row in rows) == list(range(len(lengths)))
    for rows in plan:
        widest = max(source[rows].max(), target[rows].max())
        assert len(rows) * widest <= budget or len(rows) == 1


def test_without_shuffling_rows_stay_in_order_and_batches_are_full() -> None:
    target = np.array([3, 5, 2, 2, 9, 1])
    plan = plan_batches(np.ones(6, dtype=np.int64), target, 10, None)
    # 2 x 5, then 2 x 2 (a third row would be 3 x 9), then 9 alone as 2 x 9 is beyond 10, then 1.
    assert [rows.tolist() for rows in plan] == [[0, 1], [2, 3], [4], [5]]


def test_padding_is_a_small_share() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(4, 26, 20_000)
    target = np.maximum(1, source + rng.integers(-4, 5, 20_000))
    plan = plan_batches(source, target, 2048, np.random.default_rng(1))
    places = [sum(len(rows) * lengths[rows].max() for rows in plan) for lengths in (source, target)]
    assert target.sum() / places[1] > 0.95
    assert source.sum() / places[0] > 0.85
    assert (source.sum() + target.sum()) / sum(places) > 0.9


def many(trajectories: Trajectories) -> Slice:
    """Sixty trajectories whose rewards are all different."""
    grown = trajectories.take(np.tile(np.arange(3), 20))
    return Slice.from_trajectories(replace(grown, reward=np.linspace(0, 1, 60, dtype=np.float32)), pad_id=18)


def test_an_epoch_is_a_function_of_its_seed(trajectories: Trajectories) -> None:
    rows = many(trajectories)

    def rewards(seed: int) -> list[list[float]]:
        return [batch.reward.tolist() for batch in rows.batches(12, seed=seed)]

    assert rewards(0) == rewards(0)
    assert rewards(0) != rewards(1)
    for seed in (0, 1):
        assert sorted(r for batch in rewards(seed) for r in batch) == pytest.approx(sorted(rows.rewards.tolist()))
    ordered = [batch.reward for batch in rows.batches(12, seed=0, shuffle=False)]
    assert torch.cat(ordered).tolist() == rows.rewards.tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
@pytest.mark.parametrize("workers", [1, 2])
def test_a_data_loader_gives_the_same_batches_whatever_its_workers(trajectories: Trajectories, workers: int) -> None:
    epoch = many(trajectories).batches(12, seed=0)
    loaded = list(DataLoader(epoch, batch_size=None, num_workers=workers))
    assert [batch.row.tolist() for batch in loaded] == [batch.row.tolist() for batch in epoch]
    for found, wanted in zip(loaded, epoch, strict=True):
        for name, tensor in vars(wanted).items():
            torch.testing.assert_close(getattr(found, name), tensor, rtol=0, atol=0, equal_nan=True)


def test_workers_agree_on_what_is_read_in_turns(trajectories: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers.storage.turns, "POOL_TOKENS", 7)
    monkeypatch.setattr(buffers.storage.turns, "TURN_TOKENS", 7)
    part = InMemory(trajectories)
    rows = Slice(Columns([part, part, part, part]), np.arange(12), pad_id=18)
    epoch = rows.batches(6, seed=0)
    shares = [list(epoch._make(worker, 3)) for worker in range(3)]
    together = [shares[i % 3][i // 3].row.tolist() for i in range(sum(map(len, shares)))]
    assert together == [batch.row.tolist() for batch in epoch]


def test_the_shares_of_a_batch_are_the_batch(trajectories: Trajectories) -> None:
    batch = next(iter(many(trajectories).batches(40, seed=0)))
    shares = [batch.share(rank, 3) for rank in range(3)]
    assert sorted(row for share in shares for row in share.row.tolist()) == sorted(batch.row.tolist())
    assert {share.target.shape[1] for share in shares} == {batch.target.shape[1]}


def test_a_budget_below_one_is_refused_at_once(trajectories: Trajectories) -> None:
    with pytest.raises(ValueError, match="tokens_per_batch is 0"):
        many(trajectories).batches(0, seed=0)


def test_batches_hold_what_the_trajectories_hold(trajectories: Trajectories) -> None:
    def contents(batch: TokenBatch) -> list[tuple[list[int], list[int], list[float], float]]:
        return [
            (
                batch.source[i][batch.source_mask[i]].tolist(),
                batch.target[i][batch.target_mask[i]].tolist(),
                batch.log_prob[i][batch.target_mask[i]].tolist(),
                float(batch.reward[i]),
            )
            for i in range(len(batch))
        ]

    rows = Slice.from_trajectories(trajectories, pad_id=18)
    for seed in range(5):
        found = [row for batch in rows.batches(6, seed=seed) for row in contents(batch)]
        assert sorted(found) == [
            ([2, 3, 0], [0], [-3.0], 0.0),
            ([2, 3, 0], [5, 0], [-0.5, -0.25], 0.25),
            ([4, 0], [6, 7, 8], [-1.0, 0.0, -2.0], 1.0),
        ]


def test_collate_gives_rows_apart_from_storage(trajectories: Trajectories, assert_equal: Callable[..., None]) -> None:
    before = trajectories.take(np.arange(3))
    batch = collate(trajectories, np.arange(3), pad_id=18, storage_rows=np.arange(3), temperature=TEMPERATURE)
    for tensor in vars(batch).values():
        tensor.zero_()
    assert_equal(trajectories, before)
