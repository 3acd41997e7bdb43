"""Bars on a terminal, lines in a log, nothing for short work."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr

import pytest
import tqdm

from seq2seq_env import progress
from seq2seq_env.progress import progress_bar

Clock = Callable[[float], None]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Seconds pass when this is called."""
    now = [1000.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_a_log_gets_a_line_now_and_then_and_the_last(clock: Clock) -> None:
    log = io.StringIO()
    with redirect_stderr(log), progress_bar(total=1000, unit="tok", desc="train") as bar:
        for _ in range(1000):
            clock(0.125)
            bar.set_postfix({"loss": 0.5}, refresh=False)
            bar.update()
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert re.findall(r"train: (\d+)/1000, ", log.getvalue()) == ["240", "480", "720", "960", "1000"]
    assert lines[0] == "train: 240/1000, 00:30<01:35,  8.00tok/s, loss=0.5"


def test_a_rate_that_falls_does_not_keep_a_line_back(clock: Clock) -> None:
    log = io.StringIO()
    with redirect_stderr(log), progress_bar(total=100, unit="shard", desc="Grow 1") as bar:
        for _ in range(90):
            clock(0.5)
            bar.update()
        for _ in range(5):
            clock(40)
            bar.update()
    assert [line.split(",")[0] for line in log.getvalue().splitlines()] == [
        f"Grow 1: {done}/100" for done in (60, 91, 92, 93, 94, 95)
    ]


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_short_work_shows_nothing(clock: Clock, stream: io.StringIO) -> None:
    with redirect_stderr(stream):
        for _ in progress_bar(range(4), unit="file", desc="verify"):
            clock(0.2)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar(clock: Clock) -> None:
    terminal = Terminal()
    with redirect_stderr(terminal):
        for _ in progress_bar(range(30), unit="file", desc="verify"):
            clock(0.25)
    shown = terminal.getvalue()
    assert shown.count("\r") > 20
    assert shown.endswith("30/30 [00:07<00:00,  4.00file/s]\n")


def test_what_is_not_shown_writes_nothing(clock: Clock) -> None:
    log = io.StringIO()
    with redirect_stderr(log):
        for _ in progress_bar(range(30), unit="file", desc="verify", shown=False):
            clock(9)
    assert log.getvalue() == ""


def test_writing_beside_a_bar_leaves_its_lines_alone(clock: Clock) -> None:
    log = io.StringIO()
    with redirect_stderr(log), progress_bar(unit="line", desc="translate") as bar:
        clock(31)
        bar.update(5)
        tqdm.tqdm.write("warning", file=log)
    assert log.getvalue() == "translate: 5, 00:31,  6.20s/line\nwarning\n"


def test_what_was_done_before_is_not_in_the_rate(clock: Clock) -> None:
    log = io.StringIO()
    with redirect_stderr(log), progress_bar(total=100, initial=40, unit="source", desc="Grow 1") as bar:
        clock(progress.LINE_EVERY)
        bar.update(30)
    assert log.getvalue() == "Grow 1: 70/100, 00:30<00:30,  1.00source/s\n"
