"""A scorer of counted words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.reports.interference import are_related
from seq2seq_env.scorers import LexicalOptions, LexicalScorer, Scorer, checked_scores, load_scorer
from seq2seq_env.scorers.folds import fold_of
from seq2seq_env.scorers.models.lexical import UNSEEN, Side, explained, spread, translation_table
from seq2seq_env.tasks import Task
from tests.digest_scorer import Digest


@pytest.fixture(scope="module")
def scorer(tiny_task: Task) -> Scorer:
    return load_scorer("lexical:", task=tiny_task)


def test_one_pass_of_model_1_by_hand() -> None:
    """Each target word is shared out among the words of its source: "a b" gives "x y", and "a" gives "x"."""
    sources, targets = ([np.array(row) for row in rows] for rows in ([[0, 1], [0]], [[0, 1], [0]]))
    once = translation_table(sources, targets, 1)
    assert once[0] == pytest.approx({0: 1.5 / 2, 1: 0.5 / 2})
    assert once[1] == pytest.approx({0: 0.5, 1: 0.5})
    many = translation_table(sources, targets, 30)
    assert (many[0][0], many[1][1]) == pytest.approx((1, 1), abs=0.05)


def test_what_is_said_twice_is_explained_once() -> None:
    side = Side(["a b", "c d"])  # four words, a quarter of the text each
    table = {7: {0: 0.8}}
    once = 0.8 / (0.8 + 0.25)
    assert explained([0], [7], table, side) == pytest.approx(once)
    assert explained([0, 0], [7], table, side) == pytest.approx(0.8 / (0.8 + 0.5) / 2)
    weights = math.log(4), math.log(8)  # an unseen word is half as frequent
    assert explained([0, UNSEEN], [7], table, side) == pytest.approx(weights[0] * 0.8 / (0.8 + 0.5) / sum(weights))
    assert explained([], [7], table, side) == explained([0], [], table, side) == 0


def test_rare_words_are_known_by_how_they_begin() -> None:
    side = Side(["Straßenbahn fährt", "Straßenbau", "Haus Haus"])
    first, second = side.types("STRASSENBAHNEN straßenkehrer")
    assert first == second != UNSEEN
    assert side.types("Haus häuser") == [side.types("haus")[0], UNSEEN]
    assert len(Side(["我昨天买了七个苹果。"]).types("苹果")) == 2


def test_words_of_other_scripts_are_whole() -> None:
    """Cut at vowel signs, which are combining marks, both words would be made of the same pieces."""
    side = Side(["हिन्दी किताब", "किताब हिन्दी"])
    assert side.types("हिन्दी किताब") == side.rows[0].tolist() == [0, 1]


def test_references_are_worth_more_than_what_is_worse(scorer: Scorer, tiny_task: Task) -> None:
    split = tiny_task.split("train")
    sources, references = split.sources[:6], split.references[:6]
    scores = checked_scores(scorer, sources, references)
    for change in (
        lambda text: text.rsplit(" ", 1)[0], lambda text: f"{text} dog", lambda text: f"{text} {text.split()[-1]}",
        lambda text: " ".join(reversed(text.split())), lambda text: text.replace("one", "three"), lambda text: "",
    ):  # fmt: skip
        changed = [change(text) for text in references]
        worse = checked_scores(scorer, sources, changed)
        assert (worse[[a != b for a, b in zip(changed, references, strict=True)]] < scores.min()).all()
    assert scorer.score(["zwei rot haus", ""], ["?", "a red house"]).tolist() == [0, 0]


def test_its_options_and_pairs_are_in_the_fingerprint(scorer: Scorer, tiny_task: Task, monolingual_task: Task) -> None:
    again, other, fewer = (
        load_scorer(name, task=task)
        for name, task in (("lexical:", tiny_task), ("lexical: fluency=0", tiny_task), ("lexical:", monolingual_task))
    )
    assert again.fingerprint == scorer.fingerprint
    assert len({scorer.fingerprint, other.fingerprint, fewer.fingerprint}) == 3
    assert not are_related(Digest(), scorer)


def test_a_counted_source_is_judged_without_its_fold() -> None:
    pairs = [(f"w{at} x", f"v{at} y") for at in range(8)]
    folded = LexicalScorer(pairs, LexicalOptions(folds=2, fluency=0))
    others = [pair for pair in pairs if fold_of(pair[0], 2) != fold_of("w0 x", 2)]
    assert 0 < len(others) < 8
    known, unknown = ["w0 x", "v0 y"], ["w0 x x", "v0 y"]
    assert folded.score(*([text] for text in known)) == LexicalScorer(others, LexicalOptions(fluency=0)).score(
        *([text] for text in known)
    )
    assert folded.score(*([text] for text in unknown)) == LexicalScorer(pairs, LexicalOptions(fluency=0)).score(
        *([text] for text in unknown)
    )
    with pytest.raises(ValueError, match="one of them has all 1 pairs; give 1"):
        LexicalScorer(pairs[:1], LexicalOptions(folds=2)).score(["w0 x"], ["v0 y"])


def test_no_order_of_words_is_asked_for(tiny_task: Task) -> None:
    split = tiny_task.split("train")
    unordered = LexicalScorer(list(zip(split.sources, split.references, strict=True)), LexicalOptions(fluency=0))
    one, other = unordered.score([split.sources[0]] * 2, ["one red house", "house red one"])
    assert one == pytest.approx(other)


def test_words_are_worth_something_by_their_number() -> None:
    """Of four pairs with six words for four: seven lie above what a source of four lets expect."""
    pairs = [("w1 w2 w3 x", f"v1 v2 v3 y a{at} b") for at in range(4)]
    plain, long = (LexicalScorer(pairs, LexicalOptions(length=weight)) for weight in (0, 0.5))
    for text in ("v1 v2 v3", "v1 v2 v3 y a1 b b"):
        words = len(text.split())
        (before,), (after,) = (scorer.score(["w1 w2 w3 x"], [text]).tolist() for scorer in (plain, long))
        assert after == pytest.approx(before * (words / (words + 6)) ** 0.5)


def test_what_cannot_be_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="and no task is known here; load it with load_scorer"):
        load_scorer("lexical:").score(["a"], ["b"])
    for name, message in (
        ("lexical: phrasebook-qe", "lexical: is followed by 1 scorers"), ("lexical: fluency=1", "fluency is 1.0; give"),
        ("lexical: iterations=0", "iterations is 0; give 1 or more"), ("lexical: length=-1", "length is -1.0; give a"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            load_scorer(name)
    with pytest.raises(ValueError, match="there are none; give some"):
        LexicalScorer([("", "x")])


def test_rows_are_spread() -> None:
    assert (spread(3, 5), spread(100, 3)) == ([0, 1, 2], [0, 49, 99])
