"""Length bucketing: which rows share a forward pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq_env.models.length_bucketing import length_buckets, token_budget

LENGTHS = [3, 1, 3, 2, 9, 1]


def test_rows_of_one_length_share_a_forward_pass_up_to_the_budget() -> None:
    assert list(length_buckets(LENGTHS, 4, mixed=False)) == [[1, 5], [3], [0], [2], [4]]
    assert list(length_buckets(LENGTHS, 6, mixed=False)) == [[1, 5], [3], [0, 2], [4]]


def test_padding_counts_where_lengths_are_mixed() -> None:
    # Two rows of 1 and one of 2 take 3 * 2 places.
    assert list(length_buckets(LENGTHS, 6, mixed=True)) == [[1, 5, 3], [0, 2], [4]]
    assert list(length_buckets([], 6, mixed=True)) == []


@given(lengths=st.lists(st.integers(1, 20), max_size=30), budget=st.integers(1, 50), mixed=st.booleans())
def test_every_row_is_in_one_bucket_within_the_budget(lengths: list[int], budget: int, mixed: bool) -> None:
    buckets = list(length_buckets(lengths, budget, mixed=mixed))
    assert sorted(row for rows in buckets for row in rows) == list(range(len(lengths)))
    for rows in buckets:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= budget
        assert mixed or len({lengths[row] for row in rows}) == 1


def test_the_budget_follows_the_device_unless_it_is_given() -> None:
    assert (token_budget(None, "cpu"), token_budget(None, "cuda:1"), token_budget(7, "cuda")) == (2_048, 16_384, 7)
    with pytest.raises(ValueError, match="tokens_per_batch is 0; a forward pass needs at least 1"):
        token_budget(0, "cpu")
