from __future__ import annotations

import pytest
import torch

from agents.losses import sequence_log_prob, weighted_nll

# Two targets of 3 and 1 tokens; padding holds what must never count.
LOG_PROB = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -99.0, torch.nan]])
MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_unit_weights_give_the_mean_over_target_tokens() -> None:
    # (1 + 2 + 3 + 4) / 4
    assert weighted_nll(LOG_PROB, torch.ones(2, 1), MASK).item() == 2.5


def test_a_weight_a_sequence() -> None:
    # (0.5 * (1 + 2 + 3) + 2 * 4) / 4
    assert weighted_nll(LOG_PROB, torch.tensor([[0.5], [2.0]]), MASK).item() == 2.75


def test_a_weight_a_token_and_padding_of_the_weight_ignored() -> None:
    weight = torch.tensor([[1.0, 0.0, -1.0], [3.0, 7.0, 7.0]])
    # (1 + 0 - 3 + 12) / 4
    assert weighted_nll(LOG_PROB, weight, MASK).item() == 2.5


def test_no_gradient_flows_into_the_weight_or_from_padding() -> None:
    log_prob = LOG_PROB.clone().requires_grad_()
    weight = torch.tensor([[2.0], [4.0]], requires_grad=True)
    weighted_nll(log_prob, weight, MASK).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    assert log_prob.grad is not None
    assert log_prob.grad.tolist() == [[-0.5, -0.5, -0.5], [-1.0, 0.0, 0.0]]


def test_a_batch_of_nothing_but_padding_loses_nothing() -> None:
    assert weighted_nll(LOG_PROB, torch.ones(2, 1), torch.zeros_like(MASK)).item() == 0.0


def test_sequence_log_prob_sums_target_tokens() -> None:
    assert sequence_log_prob(LOG_PROB, MASK).tolist() == [-6.0, -4.0]


@pytest.mark.parametrize("weight", [torch.ones(2), torch.ones(2, 2), torch.ones(1, 3)])
def test_a_weight_of_another_shape_is_refused(weight: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"weight has shape .* \[B,T\] or \[B,1\]"):
        weighted_nll(LOG_PROB, weight, MASK)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask \(2, 2\); both must be"):
        sequence_log_prob(LOG_PROB, MASK[:, :2])
