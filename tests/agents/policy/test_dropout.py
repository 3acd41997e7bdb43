from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from agents.policy.dropout import dropout


def test_dropout_keeps_the_share_and_the_mean_and_follows_the_seed() -> None:
    values = torch.ones(300, 401, requires_grad=True)
    torch.manual_seed(4)
    once = dropout(values, 0.1, training=True)
    torch.manual_seed(4)
    assert torch.equal(once, dropout(values, 0.1, training=True))
    assert not torch.equal(once, dropout(values, 0.1, training=True))
    assert (once == 0).float().mean().item() == pytest.approx(0.1, abs=0.004)
    assert once.max().item() == pytest.approx(1 / 0.9, rel=1e-4)
    torch.autograd.backward(once.sum())
    assert values.grad is not None
    torch.testing.assert_close(values.grad, once.detach())
    assert torch.equal(dropout(values, 0.1, training=False), values)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_dropout_of_nothing_and_of_all(share: float) -> None:
    values = torch.ones(5, 3)
    expected = F.dropout(values, share, training=True)
    torch.testing.assert_close(dropout(values, share, training=True), expected)
