from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.scorers import CrossFittedScorer, checked_scores, load_scorer
from seq2seq_env.scorers.description import write_description
from seq2seq_env.scorers.folds import fold_of

SOURCES = [f"satz nummer {number}" for number in range(200)]


class Constant:
    """Says one number of every pair, and remembers the sources."""

    def __init__(self, value: float) -> None:
        self.value, self.fingerprint, self.seen = value, f"constant {value}", set[str]()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.seen |= set(sources)
        return np.full(len(sources), self.value, dtype=np.float32)


def test_each_source_is_judged_by_the_part_of_its_fold() -> None:
    parts = [Constant(0.1), Constant(0.5), Constant(0.9)]
    scores = checked_scores(CrossFittedScorer(parts), SOURCES, ["x"] * len(SOURCES))
    for fold, part in enumerate(parts):
        assert part.seen == {source for source in SOURCES if fold_of(source, 3) == fold}
        assert 40 <= len(part.seen) <= 95  # 67 expected
    assert [round(float(score), 1) for score in scores] == [(0.1, 0.5, 0.9)[fold_of(s, 3)] for s in SOURCES]


def test_repeats_are_averaged_and_parted_differently() -> None:
    parts = [Constant(0.1), Constant(0.5), Constant(0.2), Constant(0.8)]
    scores = checked_scores(CrossFittedScorer(parts, 2), SOURCES, ["x"] * len(SOURCES))
    for number, part in enumerate(parts):
        assert part.seen == {source for source in SOURCES if fold_of(source, 2, number // 2) == number % 2}
    wanted = [((0.1, 0.5)[fold_of(s, 2)] + (0.2, 0.8)[fold_of(s, 2, 1)]) / 2 for s in SOURCES]
    np.testing.assert_allclose(scores, wanted, atol=1e-6)
    assert min(len(one.seen & other.seen) for one in parts[:2] for other in parts[2:]) >= 30  # 50 expected


class Single(Constant):
    """Gives one score however many pairs there are."""

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        return np.full(1, self.value, dtype=np.float32)


def test_what_a_part_may_not_give_is_refused_and_not_averaged() -> None:
    hypotheses = ["x"] * len(SOURCES)
    with pytest.raises(ValueError, match=r"Single returned scores of shape \(1,\) for \d+ pairs"):
        CrossFittedScorer([Single(0.7), Single(0.2)]).score(SOURCES, hypotheses)
    with pytest.raises(ValueError, match=r"Constant gave pair 0 the score 1.5"):  # the mean of both is 0.5
        CrossFittedScorer([Constant(1.5), Constant(-0.5)], folds=1).score(SOURCES, hypotheses)


def test_pairs_that_are_none_are_refused() -> None:
    scorer = CrossFittedScorer([Constant(0.5), Constant(0.5)])
    for hypotheses in (["x"], ["x", "y", "z"]):
        with pytest.raises(ValueError, match=rf"2 sources but {len(hypotheses)} hypotheses; give one for each"):
            scorer.score(["a", "b"], hypotheses)
    with pytest.raises(TypeError, match="wrap a single sentence in a list"):
        scorer.score("ab", "xy")


def test_fingerprint_covers_the_parts_and_their_order() -> None:
    one, other = Constant(0.1), Constant(0.9)
    prints = {CrossFittedScorer(parts).fingerprint for parts in ([one, other], [other, one], [one], [one, one])}
    assert len(prints) == 4
    four = [one, other, one, other]
    assert CrossFittedScorer(four).fingerprint != CrossFittedScorer(four, 2).fingerprint


def test_a_folder_that_names_the_parts(tmp_path: Path) -> None:
    write_description(tmp_path, {"kind": "cross-fitted", "scorers": ["phrasebook-qe", "phrasebook-qe"]})
    scorer = load_scorer(tmp_path)
    assert isinstance(scorer, CrossFittedScorer)
    assert scorer.fingerprint == CrossFittedScorer([load_scorer("phrasebook-qe")] * 2).fingerprint
    record = {"kind": "cross-fitted", "scorers": ["phrasebook-qe"] * 4, "folds": 2}
    write_description(tmp_path / "repeated", record)
    repeated = load_scorer(tmp_path / "repeated")
    assert isinstance(repeated, CrossFittedScorer)
    assert (repeated.folds, len(repeated.parts)) == (2, 4)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('"scorers": []', r"scorer.json in .* has no parts; give at least one"),
        ('"scorers": ["phrasebook-qe"], "weights": [1]', "has weights, which no scorer of its kind has"),
        ('"scorers": ["phrasebook-qe"], "folds": 2', "1 scorers cannot be cross-fitted with 2 folds; give as many"),
        ('"scorers": ["phrasebook-qe"], "folds": 0', "cross-fitted with 0 folds"),
        ('"scorers": ["phrasebook-qe"], "folds": "2"', "has folds '2'; write a whole number"),
    ],
)
def test_bad_folders_are_refused(record: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scorer.json").write_text(f'{{"kind": "cross-fitted", {record}}}')
    with pytest.raises(ValueError, match=message):
        load_scorer(tmp_path)
