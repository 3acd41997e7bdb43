"""Filters that are matched by the tokens that they keep."""

from __future__ import annotations

import numpy as np
import pytest

from buffers import Interpolation, Slice, Threshold, Trajectories
from experiments.runs.matched_filters import check_matched, matched


@pytest.fixture(scope="module")
def batch() -> Slice:
    """300 sources of 10 candidates each, of 1 to 5 tokens."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 6, 3_000)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Slice.from_trajectories(
        Trajectories(
            source_index=np.repeat(np.arange(300), 10),
            offsets=offsets,
            tokens=rng.integers(4, 90, offsets[-1]).astype(np.int32),
            log_prob=np.zeros(offsets[-1], dtype=np.float32),
            terminated=np.ones(3_000, dtype=np.bool_),
            reward=rng.random(3_000, dtype=np.float32),
            is_reference=np.zeros(3_000, dtype=np.bool_),
            source_rows=np.arange(300),
            source_offsets=np.arange(301),
            source_tokens=np.full(300, 5, dtype=np.int32),
        ),
        pad_id=0,
        temperature=0.8,
    )


@pytest.mark.parametrize("kind", ["threshold", "percentile", "interpolation"])
def test_each_step_keeps_nearly_as_many_tokens(batch: Slice, kind: str) -> None:
    filters = [Interpolation(0.2), Interpolation(0.5)]
    found = matched(kind, batch, filters, lambda data: data)
    for each, other in zip(filters, found, strict=True):
        wanted, kept = (batch.select(chosen).num_tokens for chosen in (each, other))
        assert type(other).__name__.lower() == kind
        # A percentile keeps whole candidates of all sources at once: a tenth of them, give or take.
        assert abs(kept - wanted) <= (0.05 * batch.num_tokens if kind == "percentile" else 5)
    assert found[0].value < found[1].value


def test_what_is_counted_is_what_is_matched(batch: Slice) -> None:
    few = batch.where(batch.source_index < 30)
    (found,) = matched("threshold", batch, [Threshold(0.5)], lambda data: data.where(data.source_index < 30))
    wanted = few.select(Threshold(0.5)).num_tokens
    assert abs(few.select(found).num_tokens - wanted) <= 5


def test_kinds_without_values_between_are_refused() -> None:
    check_matched(["percentile"])
    with pytest.raises(ValueError, match="there is no matched filter 'best'; choose one of threshold, percentile"):
        check_matched(["best"])
