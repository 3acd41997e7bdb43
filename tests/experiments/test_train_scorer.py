"""The command that makes a scorer: how it ends, and what it says to do next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from experiments import train_scorer
from seq2seq_env.atomic_files import write_json


def test_a_loss_that_diverges_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(config: Any) -> None:
        raise FloatingPointError("the loss is nan after 3 steps; lower the learning rate")

    monkeypatch.setattr(train_scorer, "make_scorer", diverge)
    monkeypatch.setattr(sys, "argv", ["train_scorer.py", "--estimator.training.learning-rate", "1e8"])
    with pytest.raises(SystemExit, match=r"^error: the loss is nan after 3 steps; lower the learning rate$"):
        train_scorer.main()


def test_the_next_command_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(train_scorer, "make_scorer", lambda config: None)
    folder, out = str(tmp_path / "my data"), str(tmp_path / "my scorer")
    monkeypatch.setattr(
        sys, "argv", ["x", "--task", "text-files", "--task-options", "folder", folder, "source", "de", "--out", out]
    )
    train_scorer.main()
    assert capsys.readouterr().out.endswith(
        f"python -m experiments.growing_batch --task text-files --task-options folder '{folder}' source de "
        f"--scorer '{out}'\n"
    )


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
def test_a_seed_out_of_range_is_refused(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["x", f"--seed={seed}"])
    with pytest.raises(SystemExit, match=rf"^error: seed is {seed}; give 0 to 4294967295$"):
        train_scorer.main()


def test_a_scorer_near_chance_is_not_recommended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = {"agreement": {"samples": {"pairwise": 0.528}}, "unit_tests": {}}
    monkeypatch.setattr(train_scorer, "make_scorer", lambda config: write_json(tmp_path / "report.json", report))
    monkeypatch.setattr(sys, "argv", ["x", "--task", "text-files", "--out", str(tmp_path)])
    train_scorer.main()
    printed = capsys.readouterr().out
    assert printed.startswith("do not take it as a reward, it is near chance: within-source accuracy 0.528")
    assert "next: give it more pairs" in printed
    assert "experiments.growing_batch" not in printed
