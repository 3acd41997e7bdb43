from __future__ import annotations

import pytest
import torch

from experiments.benchmarks.operations import KINDS, OTHERS, OUTSIDE, OperationCount, time_shares


def test_arithmetic_and_bytes_of_a_linear_layer_by_hand() -> None:
    linear, rows = torch.nn.Linear(3, 5), torch.ones(2, 3)
    with OperationCount() as count:
        linear(rows).sum().backward()
    # Forward and the weight's gradient; the input needs none.
    assert count.flop == 2 * (2 * 2 * 3 * 5)
    with torch.inference_mode(), OperationCount() as count:
        linear(rows)
    assert count.flop == 2 * 2 * 3 * 5
    assert count.touched == 4 * (5 + 2 * 3 + 3 * 5 + 2 * 5)


def test_attention_counts_both_products_and_views_count_nothing() -> None:
    query, key = torch.ones(1, 2, 3, 4), torch.ones(1, 2, 7, 4)
    with torch.inference_mode(), OperationCount() as count:
        torch.nn.functional.scaled_dot_product_attention(query, key, key)
    assert count.flop == 2 * (2 * 2 * 3 * 4 * 7)
    with torch.inference_mode(), OperationCount() as count:
        key.transpose(1, 2)
    assert (count.flop, count.touched) == (0, 0)


def test_in_place_and_batched_products_count() -> None:
    total, one, other = torch.ones(2, 5), torch.ones(2, 3), torch.ones(3, 5)
    with torch.inference_mode(), OperationCount() as count:
        total.addmm_(one, other)
        torch.bmm(one[None], other[None])
    assert count.flop == 2 * (2 * 2 * 3 * 5)


@pytest.mark.filterwarnings("ignore")  # the profiler's own
def test_shares_of_time_name_every_kind() -> None:
    matrix = torch.ones(256, 256)
    shares = time_shares(lambda: [matrix @ matrix for _ in range(20)])
    assert list(shares) == [*KINDS, OTHERS, OUTSIDE]
    assert sum(shares.values()) == pytest.approx(1, abs=0.05)
    assert shares["matrix products"] == max(shares[kind] for kind in KINDS)
