from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from agents import Seq2SeqPolicy, ValueNetwork, rank_correlations
from agents.value_report import ValueReport
from buffers import Slice


def test_rank_correlations_by_hand(policy: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    value = ValueNetwork.from_policy(policy)

    def reward_at_the_end(batch: object) -> torch.Tensor:
        last = batch.target_mask.sum(1) - 1  # type: ignore[attr-defined]
        found = torch.zeros(batch.target_mask.shape)  # type: ignore[attr-defined]
        found[torch.arange(len(found)), last] = batch.reward  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(value, "forward", reward_at_the_end)
    found = rank_correlations(value, grown)
    assert found["final"].kendall == pytest.approx(1.0)
    assert found["final"].spearman == pytest.approx(1.0)
    assert math.isnan(found["first"].kendall)  # always 0 where sequences are longer than one token
    assert "final 1.000 / 1.000" in str(ValueReport(found, found))


def test_no_candidate_number_is_left_out_where_some_sequences_are(
    policy: Seq2SeqPolicy, grown: Slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, rows = ValueNetwork.from_policy(policy), list[int]()

    def seen(batch: Any) -> torch.Tensor:
        rows.extend(batch.row.tolist())
        return torch.zeros(batch.target_mask.shape)

    monkeypatch.setattr(value, "forward", seen)
    samples = grown.where(~grown.is_reference)  # 4 of each source, in order
    rank_correlations(value, samples, max_sequences=len(samples) // 4)
    assert len(rows) == len(samples) // 4
    assert len({int(grown.candidate[row]) for row in rows}) > 1
