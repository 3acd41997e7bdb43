from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from agents.losses import (
    categorical_kl,
    expectile_loss,
    likelihood_returns,
    preference_loss,
    ranking_loss,
    sequence_log_prob,
    temperature_loss,
    trust_region_loss,
    upper_half,
    value_loss,
    vmpo_weights,
    weighted_nll,
)

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


def test_the_value_loss_is_the_mean_squared_error_of_target_tokens() -> None:
    value = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, torch.nan]], requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 3.5], [2.0, 0.0, 0.0]], requires_grad=True)
    loss = value_loss(value, target, MASK)
    assert loss.item() == (0 + 4 + 0.25 + 4) / 4
    loss.backward()  # type: ignore[no-untyped-call]
    assert target.grad is None
    assert value.grad is not None
    assert value.grad[0].tolist() == [0, 1, -0.25]


def test_the_expectile_loss_weighs_what_lies_above_more() -> None:
    value, target = torch.zeros(2, 3), torch.tensor([[1.0, -1.0, 2.0], [-2.0, 9.0, 9.0]])
    # (0.75 * 1 + 0.25 * 1 + 0.75 * 4 + 0.25 * 4) / 4
    assert expectile_loss(value, target, MASK, 0.75).item() == 1.25
    assert expectile_loss(value, target, MASK, 0.5).item() == value_loss(value, target, MASK).item() / 2


def test_the_upper_half_keeps_half_and_all_that_equal_the_median() -> None:
    advantage = torch.tensor([[0.1, 0.3, 0.2], [0.4, 9.0, 9.0]])
    assert upper_half(advantage, MASK).tolist() == [[False, True, False], [True, False, False]]
    assert upper_half(torch.full((2, 3), 0.7), MASK).tolist() == MASK.tolist()
    single = torch.tensor([[True, False]])
    assert upper_half(torch.tensor([[-1.0, 5.0]]), single).tolist() == single.tolist()
    assert upper_half(torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool)).sum() == 0


def test_vmpo_weights_are_a_softmax_over_what_is_kept() -> None:
    advantage = torch.tensor([[0.0, math.log(3) / 2, 5.0]])
    keep = torch.tensor([[True, True, False]])
    # exp(A / 0.5) is 1 and 3.
    torch.testing.assert_close(vmpo_weights(advantage, torch.tensor(0.5), keep), torch.tensor([[0.25, 0.75, 0.0]]))
    equal = vmpo_weights(torch.full((1, 3), 2.0), torch.tensor(0.1), keep)
    torch.testing.assert_close(equal, torch.tensor([[0.5, 0.5, 0.0]]))
    assert vmpo_weights(advantage, torch.tensor(0.5), torch.zeros_like(keep)).tolist() == [[0, 0, 0]]


def test_the_temperature_loss_by_hand_and_its_minimum() -> None:
    keep = torch.tensor([[True, True, False]])
    advantage = torch.tensor([[0.0, math.log(3) / 2, 5.0]])
    # 0.5 * (0.1 + log((1 + 3) / 2))
    found = temperature_loss(advantage, torch.tensor(0.5), 0.1, keep)
    torch.testing.assert_close(found, torch.tensor(0.5 * (0.1 + math.log(2))))
    # Equal advantages tell nothing: eta epsilon + A, so eta falls.
    eta = torch.tensor(0.5, requires_grad=True)
    temperature_loss(torch.full((1, 3), 0.3), eta, 0.1, keep).backward()  # type: ignore[no-untyped-call]
    assert eta.grad is not None
    assert eta.grad.item() == pytest.approx(0.1, abs=1e-6)
    # At the minimum the weights' divergence from uniform is epsilon.
    eta = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.Adam([eta], lr=1e-2)
    for _ in range(600):
        optimizer.zero_grad()
        temperature_loss(advantage, eta, 0.1, keep).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    psi = vmpo_weights(advantage, eta, keep)[keep]
    assert (psi * (psi * 2).log()).sum().item() == pytest.approx(0.1, abs=1e-3)


def test_categorical_kl_by_hand_where_tokens_are_never_written() -> None:
    log_p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).log()
    log_q = torch.tensor([[0.25, 0.75, 0.0], [0.5, 0.5, 0.0]]).log().requires_grad_()
    kl = categorical_kl(log_p, log_q)
    expected = [0.5 * math.log(2) + 0.5 * math.log(2 / 3), math.log(2)]
    torch.testing.assert_close(kl, torch.tensor(expected))
    kl.sum().backward()  # type: ignore[no-untyped-call]
    assert log_q.grad is not None
    assert torch.isfinite(log_q.grad).all()


def test_the_preference_loss_by_hand() -> None:
    chosen, rejected = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    # -(log sigmoid(0.5 * 2) + log sigmoid(0)) / 2
    expected = (math.log(1 + math.exp(-1)) + math.log(2)) / 2
    assert preference_loss(chosen, rejected, 0.5).item() == pytest.approx(expected)


def test_likelihood_returns_of_logarithms_end_with_the_sequence() -> None:
    log_prob = torch.tensor([[-1.0, -2.0, -4.0], [-8.0, -99.0, torch.nan]])

    def returns(k: int, p_min: float) -> list[list[float]]:
        values: list[list[float]] = likelihood_returns(log_prob, MASK, k, p_min, logarithm=True).tolist()
        return values

    assert returns(1, 0.0) == [[-1, -2, -4], [-8, 0, 0]]
    assert returns(2, 0.0) == [[-3, -6, -4], [-8, 0, 0]]
    assert returns(5, 0.0) == [[-7, -6, -4], [-8, 0, 0]]
    assert returns(2, math.exp(-3)) == [[-3, -5, -3], [-3, 0, 0]]


def test_likelihood_returns_of_probabilities_count_1_after_the_end() -> None:
    log_prob = torch.tensor([[0.5, 0.01, 0.25], [0.75, 0.0, 0.0]]).log()
    found = likelihood_returns(log_prob, MASK, 2, 0.1, logarithm=False)
    # 0.5 + 0.1, 0.1 + 0.25, 0.25 + 1, 0.75 + 1
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.35, 1.25], [1.75, 0, 0]]))


def test_the_trust_region_by_hand() -> None:
    kl = torch.tensor([0.01, 0.05], requires_grad=True)
    alpha = torch.tensor(2.0, requires_grad=True)
    loss = trust_region_loss(kl, alpha, 0.01)
    # 2 (0.01 - 0.03) + 2 * 0.03
    assert loss.item() == pytest.approx(0.02)
    loss.backward()  # type: ignore[no-untyped-call]
    assert alpha.grad is not None
    assert alpha.grad.item() == pytest.approx(-0.02)  # above the bound: the multiplier rises
    assert kl.grad is not None
    assert kl.grad.tolist() == [1.0, 1.0]  # 2 / 2


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: value_loss(bad, LOG_PROB, MASK),
        lambda bad: value_loss(LOG_PROB, bad, MASK),
        lambda bad: expectile_loss(LOG_PROB, bad, MASK, 0.7),
        lambda bad: upper_half(bad, MASK),
        lambda bad: vmpo_weights(bad, torch.tensor(1.0), MASK),
        lambda bad: temperature_loss(bad, torch.tensor(1.0), 0.1, MASK),
        lambda bad: likelihood_returns(bad, MASK, 2, 0.1, logarithm=True),
        lambda bad: categorical_kl(bad, LOG_PROB),
        lambda bad: preference_loss(bad[0], LOG_PROB[0], 0.1),
    ],
)
def test_other_shapes_are_refused(call: Callable[[torch.Tensor], object]) -> None:
    with pytest.raises(ValueError, match=r"has shape \(.*must be \["):
        call(torch.zeros(2, 2))


def test_ranking_by_hand() -> None:
    # Of the first 0.5 - 0.4 + 0.2 = 0.3 above the chosen one; of the second nothing: 0.1 - 0.9 + 0.2 < 0.
    q = torch.tensor([[0.4, 0.5, 9.0], [0.1, 0.9, 0.2]], requires_grad=True)
    allowed = torch.tensor([True, True, False])
    loss = ranking_loss(q, torch.tensor([0, 1]), allowed, torch.tensor([2.0, 5.0]), 0.2)
    assert loss.item() == pytest.approx(2 * 0.3**2 / 2, abs=1e-6)
    loss.backward()  # type: ignore[no-untyped-call]
    assert q.grad is not None
    assert q.grad.flatten().tolist() == pytest.approx([-0.6, 0.6, 0, 0, 0, 0], abs=1e-6)
