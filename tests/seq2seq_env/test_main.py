"""``python -m seq2seq_env``."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seq2seq_env.__main__
from seq2seq_env.play.game import HELP
from seq2seq_env.scorers import SCORERS
from tests.seq2seq_env.play.test_game import Half

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int | str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setitem(SCORERS, "half", lambda device: Half())

    def call(*arguments: object, lines: str = "") -> tuple[int | str, str]:
        monkeypatch.setattr("sys.argv", ["python -m seq2seq_env", "--scorer", "half", *map(str, arguments)])
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        code: int | str | None = 0
        try:
            seq2seq_env.__main__.main()
        except SystemExit as ended:
            code = ended.code
        return 0 if code is None else code, capsys.readouterr().out

    return call


def test_lines_are_played_to_the_end_of_input(run: Run) -> None:
    code, shown = run("--index", 7, "--split", "test", lines="I\nnonsense 日\n:end\n\n")
    assert code == 0
    assert shown.startswith(HELP)
    assert "> I\nsource" in shown
    assert "the tokenizer does not know all of '日'" in shown
    assert "score       0.500" in shown
    assert "reference" in shown
    # After the end comes another source.
    assert shown.count("tokens      0 written, 48 left") == 3
    assert len({line for line in shown.splitlines() if line.startswith("source")}) == 2
    assert shown.endswith("> \n")


def test_quit_ends_the_game(run: Run) -> None:
    code, shown = run(lines=":quit\nI hope\n")
    assert code == 0
    assert "I hope" not in shown


def test_a_seed_repeats_the_sources(run: Run) -> None:
    lines = ":end\n" * 3
    assert run("--seed", 1, lines=lines) == run("--seed", 1, lines=lines)
    assert run("--seed", 1, lines=lines) != run("--seed", 2, lines=lines)
    assert run(lines=lines) != run(lines=lines)


def test_every_option_reaches_the_game(run: Run) -> None:
    code, shown = run("--task", "phrasebook-de-en", "--source", "Guten Tag.", "--max-target-length", 1, lines="I\n")
    assert code == 0
    assert "source      Guten Tag.\n" in shown
    assert "by the length limit" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "latin"], "there is no task 'latin'"),
        (["--split", "dev"], "there is no split 'dev'; choose one of train, validation, test"),
        (["--scorer", "bleurt"], "there is no scorer 'bleurt'"),
        (["--max-target-length", "0"], "max_target_length is 0; an episode needs at least 1 token"),
        (["--seed", "-1"], "--seed is -1; give 0 or more"),
        (["--index", "1000"], "source_index 1000 is not in 0..999, split 'validation'"),
        (["--source", " "], "option 'source' is ' '; give a sentence to translate"),
        (["--source", "Wort " * 50], "the source has 102 tokens"),
        (["--index", "1", "--source", "Hallo"], "--index and --source both name a source; give one of them"),
    ],
)
def test_a_bad_option_is_one_sentence(run: Run, options: list[str], message: str) -> None:
    code, shown = run(*options)
    assert str(code).startswith(f"error: {message}")
    assert "\n" not in str(code)
    assert shown == ""


def test_an_unknown_option_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--beam", 4)[0] == 2


def test_a_right_translation_gets_a_high_score_from_the_shipped_scorer(run: Run) -> None:
    lines = "The next ferry\nleaves this evening\n:join .\n:end\n"
    code, shown = run("--index", 3, "--scorer", "phrasebook-qe", lines=lines)
    assert code == 0
    assert "reference   Tonight the next ferry leaves.\nquality     1.000" in shown
    [score] = [line.split()[1] for line in shown.splitlines() if line.startswith("score")]
    assert float(score) > 0.9


def test_a_line_in_another_encoding_is_refused_and_the_game_goes_on() -> None:
    command = [sys.executable, "-m", "seq2seq_env", "--seed", "0"]
    lines = "Zürich\n".encode("latin-1") + b"I\n"
    environment = {**os.environ, "PYTHONUTF8": "1"}
    ended = subprocess.run(command, input=lines, capture_output=True, check=False, cwd=ROOT, env=environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    shown = ended.stdout.decode()
    assert "the line is not UTF-8" in shown
    assert "hypothesis  I\n" in shown


def test_help_explains_every_option_and_waits_for_no_deep_learning_library() -> None:
    program = (
        "import runpy, sys\n"
        "sys.argv = ['seq2seq_env', '--help']\n"
        "try:\n    runpy.run_module('seq2seq_env', run_name='__main__')\n"
        "finally:\n    print('loaded', *sorted({'torch', 'transformers', 'accelerate'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0
    assert ended.stdout.endswith("loaded\n")
    for option in ("task", "split", "scorer", "max-target-length", "seed", "index", "source"):
        assert f"--{option} " in ended.stdout
