from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import score
from seq2seq_env.commands import USAGE
from seq2seq_env.scorers import SCORERS, Scorer, load_scorer
from seq2seq_env.tasks import load_task

ROOT = Path(__file__).parents[3]

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


def test_a_scorer_that_goes_by_a_task_takes_it(tmp_path: Path, capsys: Any) -> None:
    options = {"train_size": "60", "source_only_size": "0"}
    named = ["--task-options", *(word for pair in options.items() for word in pair)]
    sources, references = ["Danke.", "Der Bahnhof ist dort."], ["Thank you.", "The station is there."]
    for name, texts in (("s", sources), ("h", references)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts))
    files = ["--sources", str(tmp_path / "s"), "--hypotheses", str(tmp_path / "h"), "--no-progress"]
    score.main(["--scorer", "lexical:", *files, "--task", "phrasebook-de-en", *named])
    shown = [float(line) for line in capsys.readouterr().out.splitlines()]
    expected = load_scorer("lexical:", task=load_task("phrasebook-de-en", **options)).score(sources, references)
    assert shown == pytest.approx(expected.tolist(), abs=1e-6)
    with pytest.raises(SystemExit, match="or a command with --task"):
        score.main(["--scorer", "lexical:", *files])
    with pytest.raises(SystemExit) as end:
        score.main(["--scorer", "lexical:", *files, *named])
    assert end.value.code == USAGE
    assert "--task-options names train_size, source_only_size, and there is no --task" in capsys.readouterr().err


NOBODY = """
import pwd

def nobody(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = nobody
"""


def test_a_user_without_a_home_scores(tmp_path: Path) -> None:
    """As in a container whose user has no entry in passwd: nothing is cached, and no folder named ~ is made."""
    for name, text in (("sitecustomize.py", NOBODY), ("s.de", "Danke.\n"), ("h.en", "Thank you.\n")):
        (tmp_path / name).write_text(text)
    homes = ("HOME", "XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR", "USER", "LOGNAME", "LNAME", "USERNAME")
    environment = {name: value for name, value in os.environ.items() if name not in homes}
    environment |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "HF_HUB_OFFLINE": "1"}
    program = "from pathlib import Path; import pytest; pytest.raises(RuntimeError, Path.home)\n"
    program += "from experiments.cli.console import main; main()"
    arguments = ["score", "--scorer", "phrasebook-qe", "--sources", "s.de", "--hypotheses", "h.en", "--no-progress"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, f"1 pairs, {float(done.stdout):.4f} on average\n")
    assert not (tmp_path / "~").exists()
