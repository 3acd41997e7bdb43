from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_env.commands import INTERRUPTED, arguments, command_frame

ROOT = Path(__file__).parents[2]


def run(block: str, **variables: str) -> subprocess.Popen[str]:
    """A process whose command is the block."""
    code = f"import sys\nfrom seq2seq_env.commands import command_frame\nwith command_frame():\n    {block}"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip


@pytest.mark.parametrize("block", ["print('x\\n' * 100_000)", "print('x\\n' * 100_000); sys.exit(0)"])
def test_a_reader_that_has_read_enough_is_no_error(block: str) -> None:
    with run(block) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_what_an_encoding_lacks_is_escaped() -> None:
    process = run(r"print('a \u2581 \xe4')", PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    process.stdout.reconfigure(encoding="cp1252")  # type: ignore[union-attr]
    assert process.communicate() == ("a \\u2581 ä\n", "")


def test_an_interrupt_is_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, command_frame("stopped; go on later"):
        raise KeyboardInterrupt
    assert ended.value.code == INTERRUPTED
    assert capsys.readouterr().err == "stopped; go on later\n"


@pytest.mark.parametrize("error", [ValueError, TypeError, OSError, FloatingPointError, ImportError])
def test_what_a_user_can_mend_is_one_sentence(error: type[Exception]) -> None:
    with pytest.raises(SystemExit, match=r"^error: loss is nan$"), command_frame():
        raise error("loss is nan")


def test_an_error_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), command_frame():
        raise ZeroDivisionError


def test_a_home_folder_after_an_equals_sign_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "argv", ["x", "--out=~/run", "--a.b=~", "~ sind ~5", "--text=a~/b", "--", "--out=x=~/y"])
    assert arguments() == ["--out=/home/me/run", "--a.b=/home/me", "~ sind ~5", "--text=a~/b", "--", "--out=x=~/y"]


def test_without_a_home_the_sign_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(f"uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(sys, "argv", ["x", "--out=~/run"])
    assert arguments() == ["--out=~/run"]
