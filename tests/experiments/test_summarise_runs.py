from __future__ import annotations

from typing import Any

import pytest

from experiments.summarise_runs import summary_table


def result(seed: int, gain: float, temperature: float = 0.8) -> dict[str, Any]:
    return {
        "config": {"seed": seed, "temperature": temperature},
        "summary": {"shortfall_closed": gain, "oracle_before": None},
        "steps": [{"grow": 0, "improve": 0, "split": "validation", "reward": gain / 2}],
    }


def test_mean_and_spread_by_hand() -> None:
    lines = summary_table([result(0, 0.4), result(1, 0.6)]).splitlines()
    assert lines[0] == "| measure | mean | s.d. | seed 0 | seed 1 |"
    assert lines[2:] == [
        "| shortfall closed | 0.500 | 0.141 | 0.400 | 0.600 |",
        "| validation reward, G=0 I=0 | 0.250 | 0.071 | 0.200 | 0.300 |",
    ]


def test_runs_of_other_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="the runs differ in temperature"):
        summary_table([result(0, 0.4), result(1, 0.6, temperature=1.0)])
