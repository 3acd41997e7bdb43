from __future__ import annotations

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from seq2seq_env.scorers import ProcessScorer, ScorerProcessError, load_scorer
from tests.pickling import sent

LENGTHS = """
    import json, sys
    for line in sys.stdin:
        batch = json.loads(line)
        rows = zip(batch["sources"], batch["hypotheses"], strict=True)
        print(json.dumps({"scores": [len(h) / (len(s) + len(h)) for s, h in rows]}), flush=True)
"""
"""Scores by length; any text must pass, so non-ASCII and line breaks too."""


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Writes a program and gives the command that runs it."""

    def write(text: str) -> list[str]:
        path = tmp_path / "score.py"
        path.write_text(dedent(text))
        return [sys.executable, str(path)]

    return write


def test_a_program_scores_in_batches_and_in_order(program: Any) -> None:
    scorer = ProcessScorer(program(LENGTHS), batch_size=3)
    sources, hypotheses = ["größe\n"] * 7, ["x" * n for n in range(7)]
    wanted = np.array([n / (6 + n) for n in range(7)], dtype=np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(scorer.score(sources, hypotheses), wanted)
    assert scorer.score([], []).shape == (0,)
    scorer.close()
    np.testing.assert_array_equal(scorer.score(sources, hypotheses), wanted)  # it is started again
    scorer.close()


def test_it_is_loaded_by_its_command_and_shared_by_threads_and_pickles(program: Any) -> None:
    scorer = load_scorer("process: " + " ".join(program(LENGTHS)))
    assert isinstance(scorer, ProcessScorer)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: scorer.score(["ab"] * 300, ["c" * n] * 300)[299], range(1, 9)))
    assert found == pytest.approx([n / (n + 2) for n in range(1, 9)])
    again = sent(scorer)
    assert again.score(["a"], ["b"])[0] == 0.5
    for each in (scorer, again):
        each.close()


def test_the_fingerprint_follows_the_command_and_the_files_it_names(program: Any) -> None:
    command = program(LENGTHS)
    known = ProcessScorer(command).fingerprint
    assert ProcessScorer(command).fingerprint == known
    assert ProcessScorer([*command, "--fast"]).fingerprint != known
    assert ProcessScorer(["python", "-c", "x" * 5_000]).fingerprint != known  # no file's name
    program(LENGTHS + "\n")
    assert ProcessScorer(command).fingerprint != known


def test_a_program_that_dies_is_started_again_and_gets_the_batch_again(program: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = program(
        f"""
        import json, pathlib, sys
        count = pathlib.Path({str(count)!r})
        for line in sys.stdin:
            calls = int(count.read_text()) + 1 if count.exists() else 1
            count.write_text(str(calls))
            if calls in (2, 3):
                sys.exit(7)
            print(json.dumps({{"scores": [0.25] * len(json.loads(line)["sources"])}}), flush=True)
        """
    )
    scorer = ProcessScorer(command, batch_size=2, retries=2)
    with pytest.warns(UserWarning, match="is started again: it ended with exit code 7"):
        assert scorer.score(["a"] * 5, ["b"] * 5).tolist() == [0.25] * 5
    assert count.read_text() == "5"
    scorer.close()


def test_a_program_that_ends_after_each_batch_is_started_again(program: Any) -> None:
    scorer = ProcessScorer(program(LENGTHS.replace("flush=True)", "flush=True); break")), batch_size=1, retries=0)
    assert scorer.score(["a"], ["b"])[0] == 0.5
    assert scorer._running is not None
    scorer._running._process.wait()
    with pytest.warns(UserWarning, match="ended between two batches and is started again"):
        assert scorer.score(["a"], ["bbb"])[0] == 0.75
    scorer.close()


def test_an_answer_that_comes_after_an_interrupt_is_not_taken_for_the_next(program: Any) -> None:
    slow = LENGTHS.replace("print(", "import time; time.sleep(len(batch['hypotheses'][0]) / 4); print(")
    scorer = ProcessScorer(program(slow))
    scorer.score([""], ["b"])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            scorer.score(["a"], ["bbbb"])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert scorer.score(["a"], ["b"])[0] == 0.5
    scorer.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_starts_a_program_of_its_own(program: Any) -> None:
    scorer = ProcessScorer(program(LENGTHS))
    scorer.score(["a"], ["b"])
    child = os.fork()
    if child == 0:
        right = scorer.score(["a"], ["bbb"])[0] == 0.75
        scorer.close()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert scorer._running is not None
    assert not scorer._running.has_ended
    assert scorer.score(["a"], ["b"])[0] == 0.5
    scorer.close()


@pytest.mark.filterwarnings("ignore:.*is started again")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import sys; print('no GPU here', file=sys.stderr); sys.exit(3)",
            r"ended with exit code 3; it said:\nno GPU here",
        ),
        ("print('loading model', flush=True); input()", r"(answered|wrote) 'loading model'"),
        ("input(); print('{\"scores\": [0.5, 0.5]}', flush=True); input()", "answered 2 scores for 1 pairs"),
        ("input(); print('{\"scores\": 3}', flush=True); input()", "answered '{\"scores\": 3}', not"),
        ("input(); print('{\"scores\": [NaN]}', flush=True); input()", r"\[NaN\]}', not .* with numbers in \[0, 1\]"),
        ("input(); print('{\"scores\": [true]}', flush=True); input()", r"\[true\]}', not"),
        ("import os, time; os.close(1); time.sleep(60)", "it closed its standard output"),
        ("import sys; sys.stderr.write('x' * 5_000_000); sys.exit(2)", "exit code 2; it said:\\nx{2000}$"),
        ("import time; time.sleep(60)", "no answer within 0.5 seconds; .* nothing on standard error"),
    ],
)
def test_a_program_that_keeps_failing_is_given_up_with_its_last_words(program: Any, text: str, message: str) -> None:
    scorer = ProcessScorer(program(text), retries=1, timeout=0.5, start_timeout=60.0 if "sleep" not in text else 0.5)
    started = time.monotonic()
    with pytest.raises(ScorerProcessError, match=r"failed 2 times in a row; last: (?s:.*)" + message):
        scorer.score(["a"], ["b"])
    assert time.monotonic() - started < 50


COMET = """
    class Model:
        def predict(self, pairs, batch_size, progress_bar):
            print("predicting", len(pairs), "pairs")
            scores = [1.5 - len(pair["mt"]) / len(pair["src"]) for pair in pairs]
            return type("Prediction", (), {"scores": scores})()

    def download_model(name):
        print("fetching", name)
        return "/models/" + name

    def load_from_checkpoint(path):
        print("loading", path)
        return Model()
"""
"""What the program of docs/scorers.md takes of the package; it writes to standard output as it pleases."""


def test_the_documented_program_for_comet_keeps_to_the_protocol(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[4] / "docs" / "scorers.md").read_text("utf-8")
    (text,) = [block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if "comet" in block]
    (tmp_path / "comet.py").write_text(dedent(COMET))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with closing(ProcessScorer(program(text), batch_size=2, retries=0)) as scorer:
        scores = scorer.score(["größe"] * 3, ["", "grö", "x" * 20])
    np.testing.assert_allclose(scores, [1.0, 0.9, 0.0], rtol=1e-6)


def test_a_silent_program_is_ended_whole(program: Any, tmp_path: Path) -> None:
    """Also what it has started: nothing goes on in the background."""
    beat = tmp_path / "beat"
    child = (
        f"import time, pathlib\nwhile True: pathlib.Path({str(beat)!r}).write_text(str(time.time())); time.sleep(0.05)"
    )
    command = program(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])")
    with pytest.raises(ScorerProcessError, match="no answer within 3 seconds"):
        ProcessScorer(command, retries=0, start_timeout=3.0).score(["a"], ["b"])
    assert beat.exists()
    time.sleep(0.3)
    last = beat.read_text()
    time.sleep(0.5)
    assert beat.read_text() == last


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ScorerProcessError, match=r"no-such-program --x' cannot be started .*No such file.*check the command"
    ):
        load_scorer("process: no-such-program --x").score(["a"], ["b"])


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("", {}, "the command '' names no program; write it after process:"),
        ("score 'it", {}, r"the command \"score 'it\" cannot be read \(No closing quotation\); quote it"),
        ("score", {"timeout": float("inf")}, "timeout is inf; give seconds above 0, at most"),
        ("score", {"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ("score", {"retries": -1}, "retries is -1; give 0 or more"),
        ("score", {"timeout": 0.0}, "timeout is 0.0; give seconds above 0"),
    ],
)
def test_bad_arguments_are_refused(command: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProcessScorer(command, **options)
