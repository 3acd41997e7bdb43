from __future__ import annotations

from pathlib import Path

import pytest

from experiments.scorer_training.ratings import Rating, read_ratings


def rated(path: Path, text: str) -> list[Rating]:
    path.write_text(text, "utf-8")
    return [rating._replace(score=round(rating.score, 6)) for rating in read_ratings(path)]


def test_your_own_ratings(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    assert rated(path, 'source\thypothesis\tscore\nä "b\tc\t0.25\nd\te\t1\n') == [('ä "b', "c", 0.25), ("d", "e", 1.0)]
    assert rated(path, "source\thypothesis\tscore\na\tb\t-2\na\tc\t2\na\td\t1\n") == [
        ("a", "b", 0.0), ("a", "c", 1.0), ("a", "d", 0.75),
    ]  # fmt: skip


def test_direct_assessments(tmp_path: Path) -> None:
    text = 'lp,src,mt,ref,score,raw\nde-en,"a, b",c,r,0.3,80\nde-en,d,e,r,-1.2,20\n'
    assert rated(tmp_path / "da.csv", text) == [("a, b", "c", 0.8), ("d", "e", 0.2)]
    text = "src\tmt\tz\na\tb\t-1\nc\td\t3\ne\tf\t0\n"
    assert [rating.score for rating in rated(tmp_path / "z.tsv", text)] == [0.0, 1.0, 0.25]


def test_error_annotations_by_hand(tmp_path: Path) -> None:
    head = "system\tdoc\tseg_id\trater\tsource\ttarget\tcategory\tseverity\n"
    lines = [
        "s\td\t1\tr1\tQuelle\tone <v>bad</v> word\tAccuracy/Mistranslation\tMajor",
        "s\td\t1\tr1\tQuelle\tone bad <v>word</v>\tFluency/Punctuation\tMinor",
        "s\td\t1\tr2\tQuelle\tone bad word\tNo-error\tNo-error",
        "s\td\t2\tr1\tandere\tother\tNon-translation!\tMajor",
        "s\td\t3\tr1\tdritte\tthird\tStyle/Awkward\tMinor",
    ]
    assert rated(tmp_path / "mqm.tsv", head + "\n".join(lines) + "\n") == [
        ("Quelle", "one bad word", round(1 - (5.1 + 0) / 2 / 25, 6)), ("andere", "other", 0.0),
        ("dritte", "third", 0.96),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source\thypothesis\tscore\n", "has no rows"),
        ("a\tb\n1\t2\n", "has the columns a, b; give source, hypothesis and score"),
        ("source\thypothesis\tscore\na\tb\tgood\n", "line 2 of .* has the score 'good'"),
        ("source\thypothesis\tscore\na\tb\t1\nc\td\tnan\n", "line 3 of .* has the score 'nan'"),
        ("source\thypothesis\tscore\na\tb\n", "line 2 of .* has the score None"),
        ("source\thypothesis\tscore\na\tb\t7\nc\td\t7\n", "all ratings of .* are 7"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        rated(tmp_path / "bad.tsv", text)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.tsv").write_bytes("source\thypothesis\tscore\nGröße\tsize\t1\n".encode("latin1"))
    with pytest.raises(ValueError, match="no table in UTF-8"):
        read_ratings(tmp_path / "latin.tsv")
