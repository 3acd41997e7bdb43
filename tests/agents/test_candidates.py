from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agents import MRT, Boltzmann, MRTConfig, Seq2SeqPolicy
from agents.candidates import boltzmann_weights, candidate_groups, expected_cost
from buffers import Slice


def test_groups_are_all_candidates_of_a_source() -> None:
    source = np.array([4, 7, 4, 7, 4, 9])
    groups = candidate_groups(source, 1, 16, np.random.default_rng(0))
    assert [each.shape for each in groups] == [(1, 1), (1, 2), (1, 3)]
    assert [sorted(each[0].tolist()) for each in groups] == [[5], [1, 3], [0, 2, 4]]
    assert [each.shape for each in candidate_groups(source, 2, 2, np.random.default_rng(0))] == [(2, 2)]
    assert candidate_groups(source, 4, 16, np.random.default_rng(0)) == []


def test_of_many_candidates_some_are_drawn() -> None:
    drawn = [candidate_groups(np.zeros(9, dtype=np.int64), 2, 3, np.random.default_rng(seed))[0] for seed in range(20)]
    assert all(len({*each[0].tolist()}) == 3 for each in drawn)
    assert {row for each in drawn for row in each[0].tolist()} == set(range(9))


def test_boltzmann_weights_by_hand() -> None:
    weights = boltzmann_weights(torch.tensor([[1.0, 0.5], [0.3, 0.3]]), 0.5)
    best = 2 / (1 + math.exp(-1))
    assert weights.flatten().tolist() == pytest.approx([best, 2 - best, 1.0, 1.0], abs=1e-6)


def test_expected_cost_by_hand() -> None:
    # Probabilities 1/2, 1/4 to the power 2: q = 4/5, 1/5.
    log_prob = torch.tensor([[0.5, 0.25]]).log().requires_grad_()
    risk = expected_cost(log_prob, torch.tensor([[0.25, 1.0]]), 2.0)
    assert risk.item() == pytest.approx(0.8 * 0.25 + 0.2 * 1.0, abs=1e-6)
    risk.sum().backward()  # type: ignore[no-untyped-call]
    # alpha q (cost - risk): a candidate above the expected cost is lowered.
    assert log_prob.grad is not None
    assert log_prob.grad[0].tolist() == pytest.approx([2 * 0.8 * (0.25 - 0.4), 2 * 0.2 * (1.0 - 0.4)], abs=1e-6)


def test_batches_hold_whole_sources(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent, seen = Boltzmann(policy), []
    for batch in agent.batches(grown, 64, 0):
        sources = grown.source_index[np.searchsorted(grown.rows, batch.row.numpy())]
        assert all(len(set(each)) == 1 for each in sources.reshape(-1, batch.group_size).tolist())
        seen += batch.row.tolist()
    assert sorted(seen) == grown.rows.tolist()
    values = agent.loss(batch)
    assert 1 <= values.largest_weight.item() <= batch.group_size


def test_minimum_risk_is_over_distinct_candidates(policy: Seq2SeqPolicy, grown: Slice) -> None:
    agent = MRT(policy, MRTConfig(most_candidates=3))
    rows = [row for batch in agent.batches(grown, 64, 0) for row in batch.row.tolist()]
    assert set(rows) <= set(grown.distinct().rows.tolist())
    assert len(rows) == len(set(rows))
    with pytest.raises(ValueError, match=r"no source of .* has 2 candidates to compare; grow more candidates"):
        agent.batches(grown.where(grown.is_reference), 64, 0)
