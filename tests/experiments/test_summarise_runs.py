from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from experiments import summarise_runs
from experiments.growing_batch import Config
from experiments.runs.experiment import Experiment
from experiments.runs.finished_run import made_scorers
from experiments.summarise_runs import notes, summary_table
from seq2seq_env.atomic_files import write_json


def result(seed: int, gain: float, temperature: float = 0.8) -> dict[str, Any]:
    return {
        "config": {"seed": seed, "temperature": temperature, "start": f"runs/supervised{seed}"},
        "summary": {"shortfall_closed": gain, "oracle_before": None},
        "steps": [{"grow": 0, "improve": 0, "split": "validation", "reward": gain / 2}],
        "controls": [],
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


def test_seeds_that_made_their_own_scorers_are_one_configuration(tmp_path: Path) -> None:
    runs, results = [], []
    for seed in (0, 1):
        each = result(seed, 0.4)
        each["config"] |= {"scorer": None, "scorer_fingerprint": f"of seed {seed}"}
        results.append(each)
        runs.append(tmp_path / f"run{seed}")
        runs[-1].mkdir()
        write_json(runs[-1] / "config.json", each["config"])
        assert not made_scorers(runs)
        (tmp_path / f"run{seed}-scorer").mkdir()
    with pytest.raises(ValueError, match="the runs differ in scorer_fingerprint"):
        summary_table(results)
    assert made_scorers(runs)
    assert summary_table(results, own_scorers=True)
    assert notes(runs, results, own_scorers=True) == [
        "Each run made its own scorer: rewards of different runs are by different scorers."
    ]


def test_controls_that_are_missing_are_named(tmp_path: Path) -> None:
    runs, results = [tmp_path / "one", tmp_path / "other"], [result(0, 0.4), result(1, 0.6)]
    results[0]["controls"] = [{"step": "unfiltered"}]
    results[1]["controls_left_out"] = {"filtered": "no pair passes"}
    assert notes(runs, results, own_scorers=False) == [
        f"WARNING: {str(runs[1])!r} has no control filtered, and no gain is above it: no pair passes.",
        "WARNING: not all of the runs have the control unfiltered; it counts in none.",
    ]


def test_a_folder_without_a_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(sys, "argv", ["summarise_runs.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: no results\.json in "):
        summarise_runs.main()
