"""The commands that write scorer.json: score calibration and ensembles."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seq2seq_env.scorers.__main__ as commands
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import (
    ProcessScorer,
    checked_scores,
    load_scorer,
)  # fmt: skip
from seq2seq_env.tasks import load_task

LENGTHS = """
import json, sys
for line in sys.stdin:
    batch = json.loads(line)
    print(json.dumps({"scores": [len(h) - 10.0 for h in batch["hypotheses"]]}), flush=True)
"""
"""Raw scores, from -10 upwards."""


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The name of a scorer on a scale of its own."""
    path = tmp_path / "my score.py"
    path.write_text(LENGTHS)
    return f"process: bounded=no {shlex.join([sys.executable, str(path)])}"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["scorers", *map(str, arguments)])
    commands.main()


def close(scorer: Any) -> None:
    """End the program inside."""
    assert isinstance(scorer.scorer, ProcessScorer)
    scorer.scorer.close()


def test_a_scorer_is_calibrated_on_a_tables_pairs(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"source_text": "a", "target_text": "x" * length} for length in range(101)]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pairs, out = tmp_path / "samples.jsonl", tmp_path / "made" / "affine"
    run(monkeypatch, "calibrate", "--scorer", program, "--pairs", pairs, "--out", out)
    shown = capsys.readouterr().out
    assert "101 pairs" in shown
    usage = f"--scorer {out}, or load_scorer({str(out)!r})"
    last = f"next: set the environment variable SEQ2SEQ_ENV_RUN_PROGRAMS=1, since a program is inside; then {usage}"
    assert shown.splitlines()[-1] == last
    monkeypatch.setenv("SEQ2SEQ_ENV_RUN_PROGRAMS", "1")
    scorer = load_scorer(out)
    # Percentiles 1 and 99 of -10 to 90.
    np.testing.assert_allclose(checked_scores(scorer, ["a"] * 3, ["", "x" * 50, "x" * 200]), [0, 0.5, 1], atol=1e-6)
    close(scorer)
    with pytest.raises(SystemExit, match=r"error: .*affine' is a file, or has a scorer.json already; name another"):
        run(monkeypatch, "calibrate", "--scorer", program, "--pairs", pairs, "--out", out)
    falling = tmp_path / "falling"
    options = ("--method", "quantile", "--knots", 11, "--lower-is-better")
    run(monkeypatch, "calibrate", "--scorer", program, "--pairs", pairs, "--out", falling, *options)
    assert len(json.loads((falling / "scorer.json").read_text())["knots"]) == 11
    ranks = load_scorer(falling)
    np.testing.assert_allclose(ranks.score(["a"] * 2, ["x" * 25, "x" * 100]), [0.75, 0], atol=1e-6)
    close(ranks)


def test_a_scorer_is_calibrated_on_a_tasks_references_and_used_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    size = ("--task-options", "train_size", 40, "--sources", 30)
    run(monkeypatch, "calibrate", "--scorer", "phrasebook-qe", "--task", "phrasebook-de-en", *size, "--out", out)
    assert "60 pairs: references of phrasebook-de-en (train," in capsys.readouterr().out
    env = Seq2SeqTranslateEnv(scorer=out, info_scorers={"own": "phrasebook-qe"})
    env.reset(options={"source": "Die nächste Fähre fährt heute Abend ab."})
    _, reward, terminated, _, info = env.step(env.tokenizer.eos_id)
    assert terminated
    (low, _), (high, _) = json.loads((out / "scorer.json").read_text())["knots"]
    assert low < 0.2 < 0.8 < high
    assert reward == pytest.approx(min(max((info["scores"]["own"] - low) / (high - low), 0), 1), abs=1e-6)
    assert load_scorer(out).fingerprint != load_scorer("phrasebook-qe").fingerprint


def test_a_scorer_that_goes_by_a_task_is_calibrated_by_the_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--task", "phrasebook-de-en", "--task-options", "train_size", 40, "--sources", 30)
    run(monkeypatch, "calibrate", "--scorer", "lexical:", *options, "--out", tmp_path / "made")
    assert capsys.readouterr().out.splitlines()[-1].startswith("next: --scorer ")
    task = load_task("phrasebook-de-en", train_size=40)
    assert checked_scores(load_scorer(tmp_path / "made", task=task), ["Guten Morgen."], ["Good morning."]).size == 1


def test_a_given_scale_and_an_ensemble_are_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "calibrate", "--scorer", "phrasebook-qe", "--low", 1, "--high", 0.5, "--out", "scale")
    assert json.loads((tmp_path / "scale" / "scorer.json").read_text())["knots"] == [[0.5, 1.0], [1.0, 0.0]]
    run(monkeypatch, "ensemble", "--scorers", "scale", "phrasebook-qe", "--weights", 0.3, 0.7, "--out", "both")
    assert "next: --scorer both" in capsys.readouterr().out
    written = json.loads((tmp_path / "both" / "scorer.json").read_text())
    assert written == {"kind": "ensemble", "scorers": [str(tmp_path / "scale"), "phrasebook-qe"], "weights": [0.3, 0.7]}
    assert load_scorer("both").fingerprint == load_scorer("ensemble: weights=0.3,0.7 scale phrasebook-qe").fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "calibrated on --task or --pairs, or by --low and --high; give one of them"),
        (("--low", 0), "--low and --high go together"),
        (("--low", 0, "--high", 1, "--method", "quantile"), "--low and --high go together, with the affine method"),
        (("--task", "phrasebook-de-en", "--sources", 1), "cannot be calibrated on 1 sources; give 2 or more"),
        (
            ("--task", "phrasebook-de-en", "--split", "source-only", "--sources", 3),
            "split 'source-only' has no references",
        ),
        (("--task", "phrasebook-de-en", "--seed", -1), "--seed is -1; give 0 or more"),
        (("--task", "phrasebook-de-en", "--percentiles", 99, 1), "the percentiles are 99 and 1; give two that rise"),
        (("--pairs", "empty.tsv"), "'empty.tsv' has no pairs"),
        (("--pairs", "none.tsv"), "no none.source_text and none.target_text"),
    ],
)
def test_a_calibration_that_cannot_work_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.tsv").write_text("source_text\ttarget_text\n")
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        run(monkeypatch, "calibrate", "--scorer", "phrasebook-qe", "--out", "made", *arguments)
    assert not (tmp_path / "made").exists()
