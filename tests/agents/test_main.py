"""``python -m agents``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agents import Seq2SeqPolicy
from agents.__main__ import main
from seq2seq_env.scorers import SCORERS, Scorer, load_scorer
from seq2seq_env.tasks import Task

SOURCES = ["zwei rot haus", "drei blau hund", "eins auto", "rot", "blau hund"]


TOO_LONG = "eins " * 12


class Done(NamedTuple):
    code: int | str
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.split("\n")[:-1]


Run = Callable[..., Done]


class Pipe(io.BytesIO):
    """Bytes that come once."""

    def seekable(self) -> bool:
        return False


@pytest.fixture(scope="session")
def saved(trained_once: Seq2SeqPolicy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "policy"
    trained_once.save(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], saved: Path) -> Run:
    def call(*arguments: object, piped: bytes = b"", policy: Path = saved, command: str = "translate") -> Done:
        named = [command, "--policy", policy, *arguments]
        monkeypatch.setattr("sys.argv", ["python -m agents", *map(str, named)])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(Pipe(piped), encoding="latin1"))
        capsys.readouterr()
        code: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return Done(0 if code is None else code, *capsys.readouterr())

    return call


def test_texts_files_and_pipes_are_translated_line_by_line(trained: Seq2SeqPolicy, run: Run, tmp_path: Path) -> None:
    a, b, c, d, e = trained.translate(SOURCES)
    expected = [a, "", b, c, "", "", d, e, ""]
    texts = [SOURCES[0], "", *SOURCES[1:3], " \t", "", *SOURCES[3:], ""]
    content = "".join(f"{text}\n" for text in texts).encode()
    assert run(*texts).lines == expected
    assert run(*texts[:3], "\n".join(texts[3:])).lines == expected
    assert run(piped=content).lines == expected
    file, written = tmp_path / "source", tmp_path / "target"
    # A mark at the beginning, ends of another system, none after the last line: nothing moves.
    file.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")[:-2] + b"\n")
    written.write_text("older")
    done = run("--input", file, "--output", written, "--lines-at-once", 2)
    assert (done.code, done.out, written.read_text("utf-8").split("\n")) == (0, "", [*expected, ""])
    assert "5 sentences in" in done.err
    assert "sentences/s" in done.err
    assert "tokens/s" in done.err
    assert "translate:" not in done.err  # of short work
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_long_work_shows_its_progress(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seq2seq_env.progress.LINE_EVERY", 0.0)
    assert "translate:" in run(*SOURCES).err
    assert "translate:" not in run(*SOURCES, "--no-progress").err


def test_separators_within_a_line_end_none(run: Run) -> None:
    done = run(piped="zwei\u2028rot\x0b\x0c\x85haus\r rot\nrot".encode())
    assert len(done.lines) == 2


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["beam", "--beams", 3], None),
        (["sample", "--temperature", 3], None),
        (["best-of-n", "--scorer", "overlap", "--candidates", 3, "--temperature", 3], "score"),
        (["mbr", "--candidates", 3, "--temperature", 3], "utility"),
    ],
)
def test_every_method_gives_json(
    options: list[object], key: str | None, run: Run, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCORERS, "overlap", lambda device: fake_scorer)
    sources = SOURCES[:3] * 4
    texts = ["", *sources]
    done = run("--method", *options, "--json", "--lines-at-once", 7, *texts)
    rows = [json.loads(line) for line in done.lines]
    assert rows.pop(0) == {"source": "", "hypothesis": "", "truncated": False}
    assert [row["source"] for row in rows] == sources
    assert all(row.keys() == {"source", "hypothesis", "truncated", *([key] if key else [])} for row in rows)
    assert run("--method", *options, "--lines-at-once", 7, *texts).lines == ["", *(row["hypothesis"] for row in rows)]
    if key == "score":
        hypotheses = [row["hypothesis"] for row in rows]
        assert [row["score"] for row in rows] == pytest.approx(fake_scorer.score(sources, hypotheses).tolist())
    if options[0] != "beam":
        # Lines read together draw numbers of their own.
        assert [row["hypothesis"] for row in rows[:6]] != [row["hypothesis"] for row in rows[6:]]
        assert run("--method", *options, "--json", "--lines-at-once", 7, "--seed", 1, *texts).out != done.out


def test_a_scorer_gets_the_task_that_it_goes_by(run: Run, tiny_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(name: str, **options: str) -> Task:
        asked.append((name, options))
        return tiny_task

    monkeypatch.setattr("agents.__main__.load_task", load)
    options = ["--method", "best-of-n", "--scorer", "lexical:", "--candidates", 3, "--json"]
    done = run(*SOURCES[:2], *options, "--task", "tiny", "--task-options", "folder", "here")
    assert asked == [("tiny", {"folder": "here"})]
    rows = [json.loads(line) for line in done.lines]
    scores = load_scorer("lexical:", task=tiny_task).score(SOURCES[:2], [row["hypothesis"] for row in rows])
    assert [row["score"] for row in rows] == pytest.approx(scores.tolist())


def test_a_line_too_long_is_refused_before_any_work(trained: Seq2SeqPolicy, run: Run, tmp_path: Path) -> None:
    written = tmp_path / "target"
    message = "error: line 3 of the command line has 13 tokens, the policy reads 12 at most: 'eins eins"
    for output in ([], ["--output", written]):
        done = run("--lines-at-once", 1, *output, "zwei", "rot", TOO_LONG)
        assert (str(done.code)[: len(message)], done.out) == (message, "")
    piped = run("--lines-at-once", 1, piped=f"zwei\n{TOO_LONG}\n".encode())
    assert str(piped.code).startswith("error: line 2 of standard input has 13 tokens")
    assert piped.lines == trained.translate(["zwei"])
    assert not any(tmp_path.iterdir())


def test_a_line_too_long_is_passed_over_with_a_warning(trained: Seq2SeqPolicy, run: Run) -> None:
    one, two = trained.translate(["zwei", "rot"])
    done = run("--over-long", "pass-over", "--lines-at-once", 1, "zwei", TOO_LONG, "rot")
    assert (done.code, done.lines) == (0, [one, "", two])
    assert "warning: line 2 of the command line has 13 tokens" in done.err
    assert done.err.count("warning") == 1
    done = run("--over-long", "pass-over", "--json", "zwei", TOO_LONG)
    assert json.loads(done.lines[1]) == {"source": TOO_LONG, "hypothesis": None, "truncated": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none"], "No such file or directory: 'none'"),
        (["--input", "latin1"], "line 2 of 'latin1' is not UTF-8 (invalid start byte); convert it"),
        (["zwei", "--input", "empty"], "there are texts and the file 'empty'; give either"),
        (["--input", "empty", "--output", "./empty"], "--input and --output are both 'empty'"),
        (["zwei", "--output", "none/target"], "there is no folder"),
        (["zwei", "--output", "."], "is no ordinary file"),
        (["zwei", "--lines-at-once", 0], "lines_at_once is 0; give at least 1"),
        (["zwei", "--device", "abacus"], "device 'abacus' is not there"),
        (["zwei", "--checkpoint", "g1i1"], "is a policy and no run; leave the checkpoint 'g1i1' out"),
        (["zwei", "--method", "best-of-n"], "best-of-n needs a scorer"),
        (["zwei", "--method", "best-of-n", "--scorer", "none"], "there is no scorer 'none'"),
        (["zwei", "--method", "best-of-n", "--scorer", "lexical:"], "or a command with --task"),
        (["zwei", "--task", "phrasebook-de-en"], "--task is phrasebook-de-en, which only a scorer goes by"),
        (["zwei", "--task-options", "folder", "data"], "--task-options names folder, and there is no --task; name it"),
        (["zwei", "--method", "mbr", "--candidates", 0], "candidates is 0; give at least 1"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    arguments: list[object], message: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_bytes(b"")
    Path("latin1").write_bytes("zwei\nzwei grün\n".encode("latin1"))
    done = run(*arguments)
    assert str(done.code).startswith("error: ")
    assert message in str(done.code)
    assert "\n" not in str(done.code)
    assert done.out == ""


def test_a_terminal_is_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipe, "isatty", lambda self: True)
    assert "there is no text" in str(run().code)


def test_an_unknown_method_is_refused_with_the_good_ones(run: Run) -> None:
    done = run("zwei", "--method", "worst")
    assert done.code == 2
    assert "mbr" in done.err


@pytest.mark.parametrize("failing", [KeyboardInterrupt, OSError])
def test_what_is_stopped_leaves_no_file(
    failing: type[BaseException], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fails(self: Seq2SeqPolicy, sources: list[str], num_beams: int) -> list[list[int]]:
        calls.append(sources)
        if len(calls) == 2:
            raise failing
        return [[2, 0]] * len(sources)

    monkeypatch.setattr(Seq2SeqPolicy, "likeliest_tokens", fails)
    written = tmp_path / "target"
    written.write_text("older")
    done = run("--output", written, "--lines-at-once", 1, *SOURCES)
    assert done.code == (130 if failing is KeyboardInterrupt else "error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert written.read_text() == "older"
    assert "Traceback" not in done.err


def test_a_run_gives_its_last_policy_or_the_one_named(
    trained: Seq2SeqPolicy, policy: Seq2SeqPolicy, run: Run, tmp_path: Path
) -> None:
    trained.save(tmp_path / "checkpoints" / "g2i2")
    policy.save(tmp_path / "checkpoints" / "g10i1")
    done = run("zwei", policy=tmp_path)
    assert done.lines == policy.translate(["zwei"]) != trained.translate(["zwei"])
    assert "g10i1: Seq2SeqPolicy(MarianMTModel" in done.err
    assert run("zwei", "--checkpoint", "g2i2", policy=tmp_path).lines == trained.translate(["zwei"])


def test_a_folder_without_policy_is_refused(run: Run, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert "is neither a saved policy nor holds one" in str(run("zwei", policy=folder).code)


def test_push_publishes_the_policy(run: Run, monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    asked: list[tuple[object, ...]] = []

    def push(self: Seq2SeqPolicy, repo: str, *, private: bool, licence: str, evaluation: str | None) -> str:
        assert evaluation is None
        asked.append((self.fingerprint, repo, private, licence))
        return "https://there"

    monkeypatch.setattr(Seq2SeqPolicy, "push_to_hub", push)
    assert run("--repo", "me/mine", command="push").lines == ["https://there"]
    assert run("--repo", "me/mine", "--private", "--licence", "mit", command="push").code == 0
    fingerprint = Seq2SeqPolicy.load(saved).fingerprint
    assert asked == [(fingerprint, "me/mine", False, "unknown"), (fingerprint, "me/mine", True, "mit")]


def test_nothing_to_translate_is_nothing_translated(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    done = run("--input", tmp_path / "empty", "--output", tmp_path / "target")
    assert (done.code, done.out, (tmp_path / "target").read_bytes()) == (0, "", b"")
    assert (run().code, run().out) == (0, "")
