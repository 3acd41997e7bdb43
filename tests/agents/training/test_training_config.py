from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents import TrainingConfig


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 0.5, 0.0]),
        ("cosine", [0.5, 1.0, 0.5, 0.0]),
        ("inverse-sqrt", [0.5, 1.0, (100 / 550) ** 0.5, 0.1**0.5]),
    ],
)
def test_learning_rates(schedule: Any, expected: list[float]) -> None:
    config = TrainingConfig(learning_rate=1.0, schedule=schedule, warmup_tokens=100, max_tokens=1000)
    assert [config.learning_rate_at(tokens) for tokens in (50, 100, 550, 1000)] == pytest.approx(expected)


def test_a_schedule_may_end_beyond_the_budget() -> None:
    whole = TrainingConfig(schedule="linear", warmup_tokens=100, max_tokens=1000)
    part = replace(whole, schedule_tokens=1000, max_tokens=300)
    assert [part.learning_rate_at(tokens) for tokens in (50, 300)] == [
        whole.learning_rate_at(tokens) for tokens in (50, 300)
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"patience": 0}, "patience is 0"),
        ({"schedule_tokens": 0}, "schedule_tokens is 0; give a number above 0"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"max_grad_norm": float("nan")}, "max_grad_norm is nan"),
        ({"schedule": "step"}, "no schedule 'step'; choose one of constant, inverse-sqrt, linear, cosine"),
        ({"precision": "fp16"}, "no precision 'fp16'; choose one of fp32, bf16, auto"),
        ({"attention": "flash"}, "no attention 'flash'; choose one of eager, sdpa"),
    ],
)
def test_budgets_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**change)
