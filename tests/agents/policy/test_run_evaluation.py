from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import run_evaluation

MEASURES = {"reward": 0.5, "oracle": 0.75, "judge": None, "bleu": 40.0, "chrf": 60.04, "ter": 45.0}


def row(decode: str = "greedy", split: str = "test", **more: Any) -> dict[str, Any]:
    return {"split": split, "decode": decode, "train_tokens": 1_000, **MEASURES, **more}


RESULTS = {
    "config": {
        "task": "phrasebook-de-en", "task_options": {"regime": "noisy-v1"}, "task_fingerprint": "a" * 64,
        "scorer": None, "scorer_fingerprint": "b" * 64, "agent": "gold", "grow_steps": 1, "improve_steps": 2,
        "candidates": 4, "temperature": 0.8, "filter": "threshold", "seed": 7,
    },
    "steps": [
        row(grow=0, improve=0), row(grow=1, improve=1, split="validation"), row(grow=1, improve=1),
        row(grow=1, improve=2, oracle=0.875),
    ],
    "final": "g1i2", "controls": [row(step="unfiltered", oracle=0.8)],
    "evidence": [{
        "decode": "greedy", "measure": "oracle", "rest": 0.875, "control": "unfiltered", "best": 0.8,
        "difference": [0.075, 0.01, 0.14, 0.02], "by_run": [0.075],
    }, {
        "decode": "greedy", "measure": "ter", "rest": 45.0, "control": "filtered", "best": 46.0,
        "difference": [-1.0, -2.0, -0.25, 0.02], "by_run": [-1.0],
    }],
    "sacrebleu": {"bleu": "sig", "chrf": "nature", "ter": "snover"},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    return tmp_path / "checkpoints"


def test_the_last_policy_has_data_measures_controls_and_intervals(run: Path) -> None:
    text = run_evaluation(run / "g1i2")
    assert text is not None
    for part in (
        "Improve step 2 of Grow step 1", "agent `gold`", "; 2,000 target tokens", "Seed 7.",
        "task `phrasebook-de-en` (regime noisy-v1), `aaaaaaaaaaaa`", "`bbbbbbbbbbbb`",
        "| **g1i2** | greedy | 0.500 | 0.875 | 40.0 | 60.0 | 45.0 |", "| g0i0 | greedy |",
        "| control-unfiltered | greedy |",
        "- greedy true quality: 0.875, above the best control, unfiltered (0.800), by +0.075 [+0.010, +0.140]",
        "- greedy TER: 45.0, below the best control, filtered (46.0), by -1.0 [-2.0, -0.2]",
        "BLEU `sig`", "TER `snover`",
    ):  # fmt: skip
        assert part in text, part
    assert "judge" not in text
    assert "g1i1" not in text


def test_other_policies_are_described_as_what_they_are(run: Path) -> None:
    first, control = (str(run_evaluation(run / name)) for name in ("g0i0", "control-unfiltered"))
    assert first.startswith("The supervised policy (1,000 target tokens).")
    assert control.startswith("A control, trained on other data for as long (1,000")
    assert "best control" not in first + control


def test_the_policy_that_a_run_fell_back_to_is_the_one_of_its_step(run: Path) -> None:
    (run.parent / "results.json").write_text(json.dumps(RESULTS | {"final": "g1i1"}))
    text = str(run_evaluation(run / "gated"))
    assert text == run_evaluation(run / "g1i1")
    assert "| **g1i1** | greedy | 0.500 | 0.750 |" in text
    assert "best control" in text
    assert "best control" not in str(run_evaluation(run / "g1i2"))


def test_a_policy_of_no_finished_run_has_nothing(run: Path, tmp_path: Path) -> None:
    assert run_evaluation(run / "g9i9") is None
    assert run_evaluation(tmp_path / "elsewhere" / "policies" / "g1i2") is None


def test_results_that_cannot_be_read_are_refused(run: Path) -> None:
    (run.parent / "results.json").write_text("{}")
    with pytest.raises(ValueError, match=r"results.json' is not what a run writes"):
        run_evaluation(run / "g1i2")
