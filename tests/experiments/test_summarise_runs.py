from __future__ import annotations

import sys
from typing import Any

import pytest

from experiments import summarise_runs
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.summarise_runs import summary_table


def result(seed: int, gain: float, temperature: float = 0.8) -> dict[str, Any]:
    return {
        "config": {"seed": seed, "temperature": temperature, "start": f"runs/supervised{seed}"},
        "summary": {"shortfall_closed": gain, "oracle_before": None},
        "steps": [{"grow": 0, "improve": 0, "split": "validation", "reward": gain / 2}],
    }


def test_mean_and_spread_by_hand() -> None:
    lines = summary_table([result(0, 0.4), result(1, 0.6)]).splitlines()
    assert lines[0] == "| measure | mean | s.d. | seed 0 | seed 1 |"
    assert lines[2:] == [
        "| shortfall closed | 0.500 | 0.141 | 0.400 | 0.600 |",
        "| validation reward, supervised | 0.250 | 0.071 | 0.200 | 0.300 |",
    ]


def test_runs_of_other_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="the runs differ in temperature"):
        summary_table([result(0, 0.4), result(1, 0.6, temperature=1.0)])


def test_runs_are_held_against_their_controls(
    finished_run: Experiment[Config], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(finished_run.folder.path)
    monkeypatch.setattr(sys, "argv", ["summarise_runs.py", folder, folder])
    summarise_runs.main()
    printed = capsys.readouterr().out
    assert "| reward best control |" in printed
    assert printed.count("| sample true quality |") == 2  # the best arm, and the supervised policy at equal entropy
    assert "| equal-entropy |" in printed


def test_a_folder_without_a_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(sys, "argv", ["summarise_runs.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: no results\.json in "):
        summarise_runs.main()
