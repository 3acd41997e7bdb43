"""The reproduction: what it runs, what it finds done, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import reproduce
from experiments.reproduce import main
from seq2seq_env.tasks import Task
from tests.experiments.paper.written_plan import write_run

STAGES = {"g0i0": 0.5, "g1i1": 0.6, "g2i1": 0.7}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--claims", "11"], "there is no claim '11'; the paper's are 1 to 10"),
        (["--claims"], "claims, regimes or online_agents is empty; name at least one"),
        (["--regimes", "noise"], "there is no regime 'noise'; choose one of"),
        (["--seeds", "1"], "seeds is 1; give 2 or more, as verdicts are over whole runs"),
        (["--online-agents", "bc"], "there is no online agent 'bc'"),
        (["--runs", "nowhere"], "no results.json in 'nowhere'; name finished runs of growing_batch.py"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--out", str(tmp_path / "out")])
    assert error in f"{stopped.value.code} {capsys.readouterr().err}"
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grown, out = {"sources": 8_000, "candidates": 4}, tmp_path / "out"
    finished = write_run(tmp_path / "finished", 0, STAGES, options=grown)
    started, codes = [], [0, 1]

    def command(words: list[str], check: bool) -> Any:
        assert not check
        started.append(words[3:])
        if not codes[0]:
            write_run(out / "lowres" / "rest" / "seed1", 1, STAGES, options=grown)
        return SimpleNamespace(returncode=codes.pop(0))

    monkeypatch.setattr("subprocess.run", command)
    arguments = ["--claims", "1", "8", "--seeds", "2", "--runs", str(finished), "--out", str(out)]
    with pytest.raises(
        SystemExit, match="these parts failed, and the same command tries them again: lowres, best-of-n"
    ):
        main(arguments)
    assert [words[0] for words in started] == ["run", "best-of-n"]
    assert started[0][1:3] == ["--seed", "1"]
    assert "lowres, rest-seed0: done" in capsys.readouterr().out
    verdicts = json.loads((out / "paper.json").read_text())["lowres"]
    assert {name: verdicts[name]["verdict"] for name in ("1", "8", "3")} == {
        "1": "holds", "8": "not run", "3": "not run"
    }  # fmt: skip
    main(["--report-only", *arguments])
    assert len(started) == 2


def test_a_dry_run_has_each_parts_time_and_writes_nothing(
    tiny_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "load_task", lambda name, **options: tiny_task)
    monkeypatch.setattr(reproduce, "training_rate", lambda config, task: 1000.0)
    finished = write_run(tmp_path / "finished", 1, STAGES, options={"sources": None, "candidates": 4})
    main(["--dry-run", "--claims", "6", "--seeds", "2", "--runs", str(finished), "--out", str(tmp_path / "out")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("lowres: 1,000 target tokens of training per second")
    assert lines[1].startswith("lowres, rest-seed0: ")
    assert "minutes: rest run --seed 0" in lines[1]
    assert lines[2] == "lowres, rest-seed1: done"
    assert lines[3].startswith("lowres, best-of-n: ")
    assert lines[-1].startswith("in all, at most: ")
    assert not (tmp_path / "out").exists()


def test_a_run_with_other_options_than_the_claims_need_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"sources": 8_000, "candidates": 4, "grow_steps": 1, "agent": "dpo"}
    other = write_run(tmp_path / "other", 0, STAGES, options=options)
    with pytest.raises(SystemExit) as stopped:
        main(["--report-only", "--runs", str(other), "--out", str(tmp_path / "out")])
    said = f"{stopped.value.code} {capsys.readouterr().err}"
    assert (
        "is another run than the claims need: grow_steps is 1, not 2; agent is 'dpo', not 'filtered-bc'; name" in said
    )


def test_nothing_more_is_trained_for_what_cannot_be_paired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown, out = {"sources": 8_000, "candidates": 4}, tmp_path / "out"
    finished = write_run(tmp_path / "finished", 0, STAGES, options=grown | {"task_fingerprint": "old"})
    started = []

    def command(words: list[str], check: bool) -> Any:
        started.append(words[3])
        write_run(out / "lowres" / "rest" / "seed1", 1, STAGES, options=grown | {"task_fingerprint": "new"})
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("subprocess.run", command)
    with pytest.raises(SystemExit, match=r"seed1' has task_fingerprint 'new' and '.*seed0' 'old', so that their rows"):
        main(["--claims", "1", "8", "--seeds", "2", "--runs", str(finished), "--out", str(out)])
    assert started == ["run"]
