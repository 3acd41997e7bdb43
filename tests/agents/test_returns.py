from __future__ import annotations

import math

import pytest
import torch

from agents.returns import lambda_returns, next_values, retrace, step_rewards, td_errors, vtrace

# A sequence of three tokens and one of a single token; padding holds what must never count.
MASK = torch.tensor([[True, True, True], [True, False, False]])
REWARD = torch.tensor([1.0, 0.5])
VALUE = torch.tensor([[0.25, 0.5, 0.75], [0.25, 9.0, -9.0]])


def test_the_reward_comes_after_the_last_token() -> None:
    assert step_rewards(REWARD, MASK).tolist() == [[0, 0, 1], [0.5, 0, 0]]
    assert next_values(VALUE, MASK).tolist() == [[0.5, 0.75, 0], [0, 0, 0]]


def test_td_errors_by_hand() -> None:
    # 0.5 - 0.25, 0.75 - 0.5, 1 - 0.75; 0.5 - 0.25
    assert td_errors(VALUE, REWARD, MASK).tolist() == [[0.25, 0.25, 0.25], [0.25, 0, 0]]


def test_lambda_returns_from_one_step_to_monte_carlo() -> None:
    assert lambda_returns(VALUE, REWARD, MASK, 1.0).tolist() == [[1, 1, 1], [0.5, 0, 0]]
    assert lambda_returns(VALUE, REWARD, MASK, 0.0).tolist() == [[0.5, 0.75, 1], [0.5, 0, 0]]
    # G_3 = 1, G_2 = 0.75/2 + 1/2 = 0.875, G_1 = 0.5/2 + 0.875/2 = 0.6875
    assert lambda_returns(VALUE, REWARD, MASK, 0.5).tolist() == [[0.6875, 0.875, 1], [0.5, 0, 0]]


def test_vtrace_on_policy_is_the_monte_carlo_return() -> None:
    found = vtrace(VALUE, REWARD, torch.zeros_like(VALUE), MASK)
    assert found.target.tolist() == [[1, 1, 1], [0.5, 0, 0]]
    assert found.advantage.tolist() == [[0.75, 0.5, 0.25], [0.25, 0, 0]]


def test_vtrace_off_policy_by_hand() -> None:
    # Ratios 2 (cut to 1), 1/2, 1/2; deltas 1/4 each.
    # v_3 = 3/4 + 1/8 = 7/8; v_2 = 1/2 + 1/8 + 1/2 (7/8 - 3/4) = 11/16; v_1 = 1/4 + 1/4 + 1 (11/16 - 1/2) = 11/16.
    log_ratio = torch.tensor([[math.log(2), math.log(0.5), math.log(0.5)], [math.log(0.5), math.nan, math.inf]])
    found = vtrace(VALUE, REWARD, log_ratio, MASK)
    torch.testing.assert_close(found.target, torch.tensor([[11 / 16, 11 / 16, 7 / 8], [0.375, 0, 0]]))
    torch.testing.assert_close(found.advantage, torch.tensor([[7 / 16, 3 / 8, 1 / 4], [0.25, 0, 0]]))


def test_the_bounds_of_vtrace_count() -> None:
    log_ratio = torch.full_like(VALUE, math.log(4))
    # rho = 2 and c = 0: v_t = V + 2 delta.
    found = vtrace(VALUE, REWARD, log_ratio, MASK, rho_bar=2.0, c_bar=0.0)
    torch.testing.assert_close(found.target, torch.tensor([[0.75, 1.0, 1.25], [0.75, 0, 0]]))


@pytest.mark.parametrize(("second", "expected"), [(0.5, 0.7), (2.0, 1.1)])
def test_retrace_weighs_the_next_error_by_its_ratio(second: float, expected: float) -> None:
    # r_1 + V(s_2) - Q_1 = -0.2 and 1 - Q_2 = 0.8; c_2 is 1/2, or 2 cut to 1.
    action_value, value = torch.tensor([[0.5, 0.2, 9.0]]), torch.tensor([[0.4, 0.3, 9.0]])
    log_ratio, mask = torch.tensor([[0.1, second, 9.0]]).log(), torch.tensor([[True, True, False]])
    target = retrace(action_value, value, torch.ones(1), log_ratio, mask)
    torch.testing.assert_close(target, torch.tensor([[expected, 1.0, 0.0]]))


def test_targets_carry_no_gradient() -> None:
    value = VALUE.clone().requires_grad_()
    assert not lambda_returns(value, REWARD, MASK, 0.5).requires_grad
    assert not vtrace(value, REWARD, torch.zeros_like(VALUE), MASK).target.requires_grad


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"reward has shape \(3,\); it must be \[B\]"):
        step_rewards(torch.zeros(3), MASK)
    with pytest.raises(ValueError, match=r"value has shape \(2, 2\)"):
        td_errors(VALUE[:, :2], REWARD, MASK)
    with pytest.raises(ValueError, match=r"log_ratio has shape \(2,\)"):
        vtrace(VALUE, REWARD, torch.zeros(2), MASK)
    with pytest.raises(ValueError, match=r"mask has shape \(3,\)"):
        step_rewards(torch.zeros(3), torch.ones(3, dtype=torch.bool))
