from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffers import Samples, Trajectories
from buffers.storage.layout import gather

Compare = Callable[[Trajectories, Trajectories], None]


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("tokens", np.zeros(6, dtype=np.int64), TypeError, "tokens is int64; give a numpy array of int32"),
        ("reward", [0.1, 0.2, 0.3], TypeError, "reward is list"),
        ("reward", np.zeros((3, 1), dtype=np.float32), ValueError, r"shape \(3, 1\)"),
        ("terminated", np.ones(4, dtype=bool), ValueError, "terminated has 4 entries; its length N must be 3"),
        ("log_prob", np.zeros(5, dtype=np.float32), ValueError, "log_prob has 5 entries; its length L must be 6"),
        ("offsets", np.array([0, 3, 2, 6]), ValueError, "goes from 3 to 2 at row 1"),
        ("offsets", np.array([0, 2, 2, 6]), ValueError, "goes from 2 to 2 at row 1"),
        ("offsets", np.array([0, 2, 3, 5]), ValueError, "runs from 0 to 5; it must run from 0 to the 6 tokens"),
        ("reward", np.array([0.1, np.nan, 0.2], dtype=np.float32), ValueError, "reward is nan at row 1"),
        ("reward", np.array([0.1, 0.2, 1.5], dtype=np.float32), ValueError, "reward is 1.5 at row 2"),
        ("reward", np.array([-0.1, 0.2, 1.0], dtype=np.float32), ValueError, r"reward is -0.1\S* at row 0"),
        ("log_prob", np.full(6, np.inf, dtype=np.float32), ValueError, "log_prob is inf at token 0"),
        ("log_prob", np.array([-1, -1, 2, 0, 0, 0], dtype=np.float32), ValueError, "log_prob is 2.0 at token 2"),
        ("log_prob", np.array([-1, np.nan, 0, 0, 0, 0], dtype=np.float32), ValueError, "log_prob is nan at token 1"),
        ("source_rows", np.array([7, 4]), ValueError, "must rise"),
        ("source_rows", np.array([4, 8]), ValueError, "lacks row 7"),
        ("source_offsets", np.array([0, 5, 5]), ValueError, "goes from 5 to 5 at row 1"),
    ],
)
def test_impossible_trajectories_are_refused(
    trajectories: Trajectories, field: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(trajectories, **{field: value})


def test_no_offsets_at_all_are_refused(trajectories: Trajectories) -> None:
    empty: dict[str, Any] = {name: value[:0] for name, value in vars(trajectories).items()}
    with pytest.raises(ValueError, match=r"offsets has 0 entries; its length N\+1"):
        Trajectories(**empty)


def test_repr_shows_shapes_and_nothing_can_be_reassigned(trajectories: Trajectories) -> None:
    assert "tokens=int32[6]" in repr(trajectories)
    assert "reward=float32[3]" in repr(trajectories)
    with pytest.raises(FrozenInstanceError):
        trajectories.reward = np.zeros(3, dtype=np.float32)  # type: ignore[misc]


def test_unscored_means_nan_throughout(trajectories: Trajectories) -> None:
    nothing: dict[str, Any] = {
        "reward": np.full(3, np.nan, dtype=np.float32),
        "log_prob": np.full(6, np.nan, dtype=np.float32),
    }
    assert trajectories.is_scored
    assert not replace(trajectories, **nothing).is_scored
    of_unknown_policy = replace(trajectories, log_prob=nothing["log_prob"])
    assert (of_unknown_policy.is_scored, of_unknown_policy.has_log_prob) == (True, False)
    with pytest.raises(ValueError, match="reward is nan at row 0"):
        replace(trajectories, reward=nothing["reward"])


def test_take_keeps_order_and_only_the_sources_needed(trajectories: Trajectories) -> None:
    taken = trajectories.take(np.array([2, 0, 2]))
    assert taken.source_index.tolist() == [7, 4, 7]
    assert taken.offsets.tolist() == [0, 3, 5, 8]
    assert taken.tokens.tolist() == [6, 7, 8, 5, 0, 6, 7, 8]
    assert taken.log_prob.tolist() == [-1, 0, -2, -0.5, -0.25, -1, 0, -2]
    assert taken.reward.tolist() == [1, 0.25, 1]
    assert taken.terminated.tolist() == [False, True, False]
    last = trajectories.take(np.array([False, False, True]))
    assert last.source_rows.tolist() == [7]
    assert last.source_tokens.tolist() == [4, 0]
    assert len(trajectories.take(np.array([], dtype=np.int64))) == 0
    with pytest.raises(IndexError):
        trajectories.take(np.array([3]))


def test_concatenation_undoes_take(trajectories: Trajectories, assert_equal: Compare) -> None:
    parts = [trajectories.take(np.array([row])) for row in range(3)]
    assert_equal(Trajectories.concatenate(parts), trajectories)


def test_concatenation_refuses_nothing_and_another_source_text(trajectories: Trajectories) -> None:
    other = replace(trajectories, source_tokens=np.array([2, 3, 0, 9, 0], dtype=np.int32))
    with pytest.raises(ValueError, match="different tokens for one source row"):
        Trajectories.concatenate([trajectories, other])
    with pytest.raises(ValueError, match="nothing to concatenate"):
        Trajectories.concatenate([])


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_gather_picks_whole_rows(rows: list[list[int]], data: st.DataObject) -> None:
    index = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    flat = [value for row in rows for value in row]
    positions, offsets = gather(np.cumsum([0, *map(len, rows)]), np.array(index, dtype=np.int64))
    picked = [[flat[place] for place in positions[a:b]] for a, b in pairwise(offsets)]
    assert picked == [rows[i] for i in index]


def test_samples_are_checked_too() -> None:
    good = {
        "source_index": np.array([0, 0]),
        "offsets": np.array([0, 1, 3]),
        "tokens": np.array([0, 5, 0], dtype=np.int32),
        "log_prob": np.zeros(3, dtype=np.float32),
        "terminated": np.array([True, True]),
        "texts": ["", "one"],
    }
    assert "texts=list[2]" in repr(Samples(**good))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="texts has 1 entries for 2 hypotheses"):
        Samples(**{**good, "texts": ["one"]})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="log_prob is nan at token 0"):
        Samples(**{**good, "log_prob": np.full(3, np.nan, dtype=np.float32)})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="goes from 0 to 0 at row 0"):
        Samples(**{**good, "offsets": np.array([0, 0, 3])})  # type: ignore[arg-type]
