from __future__ import annotations

import pytest

from agents import OAC, OACConfig, Seq2SeqPolicy
from buffers import Slice


def test_ratios_are_one_where_the_policy_has_not_moved(trained: Seq2SeqPolicy, grown: Slice) -> None:
    # The batch was grown by this policy at temperature 2, which the ratio must use too.
    batch = next(iter(grown.batches(100, seed=0)))
    same = OAC(trained, OACConfig(behaviour_temperature=2.0, rho_bar=9.0)).loss(batch)
    plain = OAC(trained, OACConfig(importance_weight=False)).loss(batch)
    assert same.policy_loss.item() == pytest.approx(plain.policy_loss.item(), rel=1e-4)
    moved = OAC(trained, OACConfig(behaviour_temperature=0.8, rho_bar=9.0)).loss(batch)
    assert abs(moved.policy_loss.item() - plain.policy_loss.item()) > 1e-3
