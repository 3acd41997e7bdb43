"""The summary of a run: its gains, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments.growing_batch import Config
from experiments.reports.run_summary import summary
from experiments.runs.experiment import Experiment


def rows(
    reward: float, oracle: float | None, bleu: float, judge: float | None = None, more: tuple[tuple[str, str], ...] = ()
) -> list[dict[str, Any]]:
    return [
        {"split": s, "decode": d, "reward": reward, "oracle": oracle, "judge": judge, "bleu": bleu, "chrf": bleu / 2,
         "ter": 90 - bleu, "length_ratio": bleu / 40}
        for s, d in (("validation", "sample"), ("test", "sample"), ("test", "greedy"), *more)
    ]  # fmt: skip


def test_gains_by_hand() -> None:
    reranked = {"mean": 0.55, "best": 0.95}
    controls = rows(0.65, 0.5, 40.0) + rows(0.55, 0.5, 40.5)
    gains = summary(rows(0.6, 0.5, 40.0) + rows(0.8, 0.6, 41.0), controls, reranked)
    assert gains == pytest.approx(
        {
            "reward_before": 0.6,
            "reward_after": 0.8,
            "shortfall_closed": 0.5,
            "greedy_bleu_change": 1.0,
            "greedy_chrf_change": 0.5,
            "greedy_ter_change": -1.0,
            "greedy_length_ratio_before": 1.0,
            "greedy_length_ratio_after": 1.025,
            "best_of_n_before": 0.95,
            "gap_to_best_of_n_closed": 0.25 / 0.4,
            "sample_bleu_change": 1.0,
            "oracle_before": 0.5,
            "oracle_after": 0.6,
            "oracle_gain_to_reward_gain": 0.5,
            "reward_best_control": 0.65,
            "shortfall_closed_by_best_control": 0.125,
            "shortfall_closed_above_best_control": 0.375,
            "greedy_bleu_above_best_control": 0.5,
            "greedy_chrf_above_best_control": 0.25,
            "greedy_ter_below_best_control": 0.5,
        }
    )


def test_what_was_not_measured_has_no_gain() -> None:
    gains = summary(rows(0.6, None, 40.0, judge=0.3), [], {"mean": 0.5, "best": 0.5})
    assert (gains["judge_before"], gains["judge_after"]) == (0.3, 0.3)
    assert gains["gap_to_best_of_n_closed"] is None
    assert not {"oracle_before", "reward_best_control"} & gains.keys()
    assert summary(rows(0.6, 0.5, 40.0), [], {"mean": 0.5, "best": 0.9})["oracle_gain_to_reward_gain"] is None


def test_beam_search_has_gains_where_it_was_measured() -> None:
    before, after = (rows(0.6, None, bleu, more=(("test", "beam"),)) for bleu in (40.0, 42.0))
    gains = summary(before + after, rows(0.6, None, 41.5, more=(("test", "beam"),)), {"mean": 0.5, "best": 0.9})
    names = ("beam_bleu_change", "beam_bleu_above_best_control", "beam_ter_change", "beam_ter_below_best_control")
    assert [gains[name] for name in names] == pytest.approx([2.0, 0.5, -2.0, 0.5])
    assert not [name for name in summary(rows(0.6, None, 40.0), [], {"mean": 0.5, "best": 0.9}) if "beam" in name]


def test_a_run_without_improvement_has_a_report_too(finished_run: Experiment[Config]) -> None:
    first = json.loads((finished_run.folder.path / "results.json").read_text())["steps"][:3]
    gains = summary(first, [], {"mean": 0.1, "best": 0.2})
    assert (gains["shortfall_closed"], gains["greedy_bleu_change"]) == (0.0, 0.0)
    assert np.isfinite([value for value in gains.values() if value is not None]).all()
    assert replace(finished_run.config, grow_steps=0).schedules(0) == []
