"""Numbers worked out by hand, padding included."""

from __future__ import annotations

import math

import pytest
import torch

from agents.policy_gradients import (
    clipped_surrogate,
    deviation_weights,
    explained_variance,
    generalised_advantages,
    group_means,
    kl_estimate,
    leave_one_out,
    sequence_mean,
    standardised,
    token_mean,
    whitened,
)

MASK = torch.tensor([[True, True, True], [True, True, False]])
GROUP = torch.tensor([0, 0, 0, 1, 1])


@pytest.mark.parametrize(
    ("lam", "expected"),
    [
        # delta: 0.1 + 0.4 - 0.5, 0.0 + 0.2 - 0.4, 1.0 - 0.2; then -0.1 + 0.6 - 0.3, 0.5 - 0.6
        (0.0, [[0.0, -0.2, 0.8], [0.2, -0.1, 0.0]]),
        (0.5, [[0.1, 0.2, 0.8], [0.15, -0.1, 0.0]]),
        # the return less the value: 1.1 - 0.5, 1.0 - 0.4, 1.0 - 0.2; 0.4 - 0.3, 0.5 - 0.6
        (1.0, [[0.6, 0.6, 0.8], [0.1, -0.1, 0.0]]),
    ],
)
def test_generalised_advantages(lam: float, expected: list[list[float]]) -> None:
    value = torch.tensor([[0.5, 0.4, 0.2], [0.3, 0.6, 9.0]], requires_grad=True)
    reward = torch.tensor([[0.1, 0.0, 1.0], [-0.1, 0.5, 9.0]])
    advantage = generalised_advantages(value, reward, MASK, lam)
    torch.testing.assert_close(advantage, torch.tensor(expected))
    assert not advantage.requires_grad


def test_whitened_advantages_leave_padding_out() -> None:
    advantage = torch.tensor([[1.0, 3.0, 1.0], [3.0, 2.0, 99.0]])
    # mean 2, variance (1 + 1 + 1 + 1 + 0) / 5
    unit = 1 / math.sqrt(0.8)
    expected = torch.tensor([[-unit, unit, -unit], [unit, 0.0, 0.0]])
    torch.testing.assert_close(whitened(advantage, MASK), expected)
    assert not whitened(torch.full((2, 3), 0.7), MASK).any()
    assert not whitened(advantage, torch.zeros_like(MASK)).any()


def test_explained_variance_leaves_padding_out() -> None:
    target = torch.tensor([[1.0, 3.0, 1.0], [3.0, 2.0, 99.0]])  # variance 0.8, as above
    value = torch.tensor([[0.5, 1.5, 0.5], [1.5, 1.0, -7.0]])  # and that of what is left a quarter of it
    assert explained_variance(value, target, MASK).item() == pytest.approx(0.75)
    assert explained_variance(torch.zeros(2, 3), target, MASK).item() == 0.0
    assert explained_variance(-value, target, MASK).item() == pytest.approx(-1.25)
    assert explained_variance(value, torch.full((2, 3), 0.7), MASK).item() == 0.0
    assert explained_variance(value, target, torch.zeros_like(MASK)).item() == 0.0


def test_the_surrogate_is_clipped_on_the_side_where_it_would_gain() -> None:
    ratio = torch.tensor([[1.5, 0.5, 1.1], [1.5, 0.5, 0.9]])
    advantage = torch.tensor([[2.0], [-2.0]])
    log_ratio = ratio.log().requires_grad_()
    loss = clipped_surrogate(log_ratio, advantage, 0.2)
    # min(3, 2.4), min(1, 1.6), 2.2; min(-3, -2.4), min(-1, -1.6), -1.8
    torch.testing.assert_close(loss.detach(), torch.tensor([[-2.4, -1.0, -2.2], [3.0, 1.6, 1.8]]))
    torch.autograd.backward(loss.sum())
    # d(-rho A)/d log rho = -rho A where it is not clipped
    torch.testing.assert_close(log_ratio.grad, torch.tensor([[0.0, -1.0, -2.2], [3.0, 0.0, 1.8]]))


def test_the_kl_estimate_is_zero_where_the_policies_agree_and_never_below() -> None:
    log_prob = torch.tensor([[math.log(0.5), math.log(0.5), math.log(0.2)]])
    log_prior = torch.tensor([[math.log(0.5), math.log(0.25), math.log(0.4)]])
    expected = torch.tensor([[0.0, 0.5 + math.log(2) - 1, 2 - math.log(2) - 1]])
    torch.testing.assert_close(kl_estimate(log_prob, log_prior), expected)


def test_means_over_tokens_and_over_sequences() -> None:
    term = torch.tensor([[1.0, 2.0, 6.0], [4.0, 2.0, 99.0]])
    assert token_mean(term, MASK).item() == pytest.approx(15 / 5)
    assert sequence_mean(term, MASK).item() == pytest.approx((9 / 3 + 6 / 2) / 2)
    term[0, 0] = 7.0
    assert token_mean(term, MASK).item() == pytest.approx(21 / 5)
    assert sequence_mean(term, MASK).item() == pytest.approx((15 / 3 + 6 / 2) / 2)
    assert token_mean(term, torch.zeros_like(MASK)).item() == 0


def test_group_means() -> None:
    number = torch.tensor([1.0, 2.0, 6.0, 4.0, 5.0])
    torch.testing.assert_close(group_means(number, GROUP), torch.tensor([3.0, 3.0, 3.0, 4.5, 4.5]))


def test_the_baseline_is_the_mean_of_the_others() -> None:
    reward = torch.tensor([0.9, 0.3, 0.0, 0.5, 0.1])
    # 0.9 - 0.15, 0.3 - 0.45, 0 - 0.6; 0.5 - 0.1, 0.1 - 0.5
    torch.testing.assert_close(leave_one_out(reward, GROUP), torch.tensor([0.75, -0.15, -0.6, 0.4, -0.4]))
    assert leave_one_out(torch.tensor([0.7]), torch.tensor([0])).item() == 0


def test_rewards_standardised_within_a_group() -> None:
    reward = torch.tensor([0.9, 0.3, 0.0, 0.4, 0.4])
    # mean 0.4, deviations 0.5, -0.1, -0.4, variance 0.42 / 3
    unit = 1 / math.sqrt(0.14)
    expected = torch.tensor([0.5 * unit, -0.1 * unit, -0.4 * unit, 0.0, 0.0])
    torch.testing.assert_close(standardised(reward, GROUP), expected)


def test_unusual_log_probabilities_count_less() -> None:
    log_prob = torch.tensor([-1.0, -2.0, -6.0, -3.0, -3.0])
    # mean -3, deviations 2, 1, 3, of mean 2; a group of equals has none
    expected = torch.tensor([math.exp(-1), math.exp(-0.5), math.exp(-1.5), 1.0, 1.0])
    torch.testing.assert_close(deviation_weights(log_prob, GROUP), expected)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reward has shape \(2, 2\) and mask \(2, 3\); both must be \[B,T\]"):
        generalised_advantages(torch.zeros(2, 3), torch.zeros(2, 2), MASK, 1.0)
    with pytest.raises(ValueError, match=r"advantage has shape \(2,\)"):
        whitened(torch.zeros(2), MASK)
    with pytest.raises(ValueError, match=r"term has shape \(3, 2\)"):
        token_mean(torch.zeros(3, 2), MASK)
