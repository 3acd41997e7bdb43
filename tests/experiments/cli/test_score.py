from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import score
from seq2seq_env.scorers import SCORERS, Scorer

SOURCES, HYPOTHESES = ["eins haus", "rot", "zwei"], ["one house", "", "three"]


@pytest.fixture
def files(tmp_path: Path, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(SCORERS, "overlap", lambda device: fake_scorer)
    monkeypatch.setattr(score, "LINES_AT_ONCE", 2)
    for name, texts in (("s", SOURCES), ("h", HYPOTHESES)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
    return ["--scorer", "overlap", "--sources", str(tmp_path / "s"), "--no-progress"]


def test_a_line_in_a_line_out(
    files: list[str], tmp_path: Path, fake_scorer: Scorer, capsysbinary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fake_scorer.score(SOURCES, HYPOTHESES).tolist()
    score.main([*files, "--hypotheses", str(tmp_path / "h")])
    out, err = capsysbinary.readouterr()
    assert [float(line) for line in out.split(b"\n")[:-1]] == pytest.approx(expected, abs=1e-6)
    assert err.startswith(b"3 pairs, ")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "h").read_bytes())))
    score.main([*files, "--json", "--output", str(tmp_path / "out")])
    rows = [json.loads(line) for line in (tmp_path / "out").read_text("utf-8").splitlines()]
    assert [(row["source"], row["hypothesis"]) for row in rows] == list(zip(SOURCES, HYPOTHESES, strict=True))
    assert [row["score"] for row in rows] == pytest.approx(expected, abs=1e-6)


def test_files_that_do_not_fit_are_refused_before_any_work(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "h").write_text("one\n")
    with pytest.raises(SystemExit, match="error: the files differ in their numbers of lines: sources 3, hypotheses 1"):
        score.main([*files, "--hypotheses", str(tmp_path / "h"), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
