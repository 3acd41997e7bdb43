"""Names of scorers, scorer.json, and the commands that write it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import seq2seq_env.scorers.__main__ as commands
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import (
    EnsembleScorer,
    LearnedScorer,
    NormalisedScorer,
    ProcessScorer,
    Scorer,
    ScorerKind,
    ScorerSpec,
    checked_scores,
    load_scorer,
)  # fmt: skip
from seq2seq_env.scorers.loading import KINDS, resolve

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


def describe(folder: Path, **record: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "scorer.json").write_text(json.dumps(record))
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["scorers", *map(str, arguments)])
    commands.main()


def close(scorer: Any) -> None:
    """End the program inside."""
    assert isinstance(scorer.scorer, ProcessScorer)
    scorer.scorer.close()


def test_options_stand_between_the_kind_and_what_it_is_made_of() -> None:
    scorer = load_scorer("process: batch_size=7 timeout=1.5 bounded=no run 'a b.py' retries=3 --x=1")
    assert isinstance(scorer, ProcessScorer)
    assert scorer.command == ["run", "a b.py", "retries=3", "--x=1"]
    assert (scorer.batch_size, scorer.timeout, scorer.retries, scorer.bounded) == (7, 1.5, 2, False)
    mixed = load_scorer("ensemble: weights=0.25,0.75 phrasebook-qe \"ensemble: phrasebook-qe 'process: run it'\"")
    assert isinstance(mixed, EnsembleScorer)
    assert mixed.weights == [0.25, 0.75]
    assert isinstance(mixed.scorers[1], EnsembleScorer)
    assert isinstance(mixed.scorers[1].scorers[1], ProcessScorer)


class ConstantScorer(ScorerKind):
    """A kind of the tests' own: a score for all pairs, divided by how many scorers the words name."""

    def __init__(self, parts: list[Scorer], *, value: float = 0.5) -> None:
        self.parts, self.value = parts, value
        self.fingerprint = f"constant {value}"

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> ConstantScorer:
        return cls([load(word) for word in spec.words], **spec.keyword_arguments(cls))

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(len(sources), self.value / (1 + len(self.parts)), dtype=np.float32)


def test_a_kind_is_one_class_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "constant", f"{__name__}:ConstantScorer")
    scorer = load_scorer("constant: value=0.75 'process: run it' phrasebook-qe")
    assert type(scorer) is ConstantScorer
    assert [type(part) for part in scorer.parts] == [ProcessScorer, LearnedScorer]
    np.testing.assert_array_equal(checked_scores(scorer, ["a"] * 2, ["b", "c"]), np.float32([0.25, 0.25]))
    assert load_scorer("ensemble: constant: constant:").score(["a"], ["b"]) == [0.5]
    with pytest.raises(TypeError, match="the scorer kind 'constant' has no option 'x'; it has value"):
        load_scorer("constant: x=1")
    (tmp_path / "mine").mkdir()
    assert resolve("constant: value=1 mine other", tmp_path) == f"constant: value=1 {tmp_path}/mine other"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "process: batch=7 run",
            TypeError,
            "kind 'process' has no option 'batch'; it has batch_size, timeout",
        ),
        ("process: batch_size=x run", ValueError, "batch_size is 'x'; give a whole number"),
        ("process: bounded=0 run", ValueError, "bounded is '0'; give yes or no"),
        ("process: run 'it", ValueError, r"\"process: run 'it\" cannot be read \(No closing quotation\); quote it"),
        ("process: timeout=1", ValueError, "names no program"),
        (
            "metricx: device=cuda x",
            TypeError,
            "kind 'metricx' has no option 'device'; it has tokenizer, version",
        ),
        ("metricx:", ValueError, "a metricx: scorer is made of one checkpoint, not of 0"),
        ("metricx: a version=24", ValueError, r"not of 2 \(a version=24\); options stand before it"),
        ("ensemble:", ValueError, "an ensemble has at least 1 scorer"),
        ("ensemble: weights=1,a phrasebook-qe", ValueError, "weights is '1,a'; give numbers with commas"),
        ("ensemble: weights=0.5 phrasebook-qe", ValueError, "the weights 0.5 are not shares of 1"),
        (
            "ensemble: weight=1 phrasebook-qe",
            TypeError,
            "kind 'ensemble' has no option 'weight'; it has weights",
        ),
        ("comet: x", ValueError, "no kind of scorer 'comet'; choose one of process:, metricx:, ensemble:"),
    ],
)
def test_a_bad_name_is_refused_in_a_sentence(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_scorer(name)


def test_what_a_name_finds_in_a_folder_is_named_from_everywhere(tmp_path: Path) -> None:
    for name in ("mine", "own mt5"):
        (tmp_path / name).mkdir()
    (tmp_path / "score.py").write_text("")
    assert resolve("phrasebook-qe", tmp_path) == "phrasebook-qe"
    assert resolve("mine", tmp_path) == str(tmp_path / "mine")
    assert resolve("google/metricx", tmp_path) == "google/metricx"
    assert resolve("metricx: version=24 'tokenizer=own mt5' mine", tmp_path) == (
        f"metricx: version=24 'tokenizer={tmp_path}/own mt5' {tmp_path}/mine"
    )
    assert resolve("process: timeout=3 uv mine score.py --fast", tmp_path) == (
        f"process: timeout=3 uv mine {tmp_path}/score.py --fast"
    )
    assert resolve("ensemble: mine 'metricx: mine'", tmp_path) == (
        f"ensemble: {tmp_path}/mine 'metricx: {tmp_path}/mine'"
    )


def test_a_description_names_folders_from_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = describe(tmp_path / "inner", kind="normalised", scorer="phrasebook-qe", knots=[[0, 0.0], [0.5, 1]])
    outer = describe(tmp_path / "outer", kind="ensemble", scorers=["../inner", "phrasebook-qe"], weights=[0.9, 0.1])
    monkeypatch.chdir(inner)
    scorer = load_scorer("../outer")
    assert isinstance(scorer, EnsembleScorer)
    assert isinstance(scorer.scorers[0], NormalisedScorer)
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")
    assert load_scorer(moved / "outer").fingerprint == scorer.fingerprint == load_scorer(outer).fingerprint
    describe(moved / "inner", kind="normalised", scorer="phrasebook-qe", knots=[[0, 0.0], [0.6, 1]])
    assert load_scorer(moved / "outer").fingerprint != scorer.fingerprint


def test_scorers_that_lead_back_to_themselves_are_refused(tmp_path: Path) -> None:
    one = describe(tmp_path / "one", kind="ensemble", scorers=["../two", "phrasebook-qe"])
    describe(tmp_path / "two", kind="normalised", scorer="ensemble: ../one", knots=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"scorer.json in .*two' leads back to .*one'; a scorer cannot be made of its"):
        load_scorer(one)
    own = describe(tmp_path / "own", kind="normalised", scorer=".", knots=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"own' leads back to .*own'"):
        load_scorer(own)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"scorer.json in .* is no JSON .*; write it again"),
        ("[1]", "is of no known kind; write kind as one of normalised, ensemble"),
        ('{"kind": "median", "scorers": []}', "is of no known kind"),
        ('{"kind": "normalised", "scorer": "phrasebook-qe"}', "lacks knots; add it"),
        ('{"kind": "ensemble", "scorers": [], "knots": []}', "has knots, which no scorer of its kind has; take it out"),
        ('{"kind": "ensemble", "scorers": [1]}', "names a scorer by something else than text"),
        ('{"kind": "ensemble", "scorers": "phrasebook-qe"}', "names a scorer by something else than text"),
        ('{"kind": "ensemble", "scorers": []}', "scorer.json in .*: an ensemble has at least 1 scorer"),
        ('{"kind": "ensemble", "scorers": ["phrasebook-qe"], "weights": ["1"]}', r"has weights \['1'\]; write a list"),
        ('{"kind": "ensemble", "scorers": ["phrasebook-qe"], "weights": [NaN]}', "weights nan are not shares of 1"),
        ('{"kind": "ensemble", "scorers": ["nobody"]}', "there is no scorer 'nobody'"),
        (
            '{"kind": "normalised", "scorer": "phrasebook-qe", "knots": [[1, 0], [0, 1]]}',
            "scorer.json in .*: the scores of the knots do not rise: 0 follows 1",
        ),
        (
            '{"kind": "normalised", "scorer": "phrasebook-qe", "knots": [[0, 0], [1, 1]], "scorer_fingerprint": "x"}',
            "the scorer 'phrasebook-qe' has changed since it was calibrated; run scorers calibrate again",
        ),
    ],
)
def test_a_bad_description_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "scorer.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_scorer(tmp_path)


def test_a_scorer_is_calibrated_on_a_tables_pairs(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"source_text": "a", "target_text": "x" * length} for length in range(101)]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pairs, out = tmp_path / "samples.jsonl", tmp_path / "made" / "affine"
    run(monkeypatch, "calibrate", "--scorer", program, "--pairs", pairs, "--out", out)
    shown = capsys.readouterr().out
    assert "101 pairs" in shown
    assert f"next: --scorer {out}" in shown
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
