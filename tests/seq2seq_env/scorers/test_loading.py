"""Names, folders and kinds of scorers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.scorers import (
    EnsembleScorer,
    LearnedScorer,
    ProcessScorer,
    Scorer,
    ScorerKind,
    ScorerSpec,
    checked_scores,
    load_scorer,
)
from seq2seq_env.scorers.loading import KINDS, resolve


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
    np.testing.assert_array_equal(checked_scores(scorer, ["a"] * 2, ["b", "c"]), np.array([0.25] * 2, dtype=np.float32))
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
        ("learned: compute_type=int9 phrasebook-qe", ValueError, "no compute_type 'int9'; choose one of float32, bf"),
        (
            "learned: compute_type=int8 arithmetic-checker",
            ValueError,
            "which is no checkpoint of one network",
        ),
        ("comet: x", ValueError, "no kind of scorer 'comet'; choose one of learned:, process:, metricx:, ensemble:"),
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
