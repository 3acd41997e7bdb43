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


MQM = "source\ttarget\tsystem\trater\tcategory\tseverity\n"
LINE = "Hallo Welt\tHello world\t{}\tr1\tStyle/Awkward\t{}\n"


def test_errors_belong_to_a_systems_segment(tmp_path: Path) -> None:
    path = tmp_path / "mqm.tsv"
    same = "".join(LINE.format(system, "Minor") for system in "ABC")
    assert rated(path, MQM + same) == [("Hallo Welt", "Hello world", 0.96)]
    # One rater's errors of one segment add up; segments of one text are averaged.
    assert rated(path, MQM + LINE.format("A", "Minor") * 2 + LINE.format("B", "Major")) == [
        ("Hallo Welt", "Hello world", round(1 - (2 + 5) / 2 / 25, 6))
    ]
    numbered = "seg_id\tsource\ttarget\tcategory\tseverity\n"
    lines = "".join(f"{number}\tJa.\tYes.\tStyle/Awkward\tMinor\n" for number in (3, 9))
    assert rated(path, numbered + lines) == [("Ja.", "Yes.", 0.96)]


def test_a_critical_error_is_worse_than_a_major_one(tmp_path: Path) -> None:
    degrees = ("Critical", "Major", "Minor", "Neutral", "No error")
    scores = [rated(tmp_path / "mqm.tsv", MQM + LINE.format("A", degree))[0].score for degree in degrees]
    assert scores == [0.6, 0.8, 0.96, 1.0, 1.0]


@pytest.mark.parametrize("degree", ["HOTW-test", "severe", ""])
def test_a_severity_that_says_nothing_of_a_translation_is_refused(degree: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"line 3 of .* has the severity '{degree}' \(Style/Awkward\); known are"):
        rated(tmp_path / "mqm.tsv", MQM + LINE.format("A", "Minor") + LINE.format("B", degree))


def test_rows_that_lack_a_cell_are_refused_with_their_line(tmp_path: Path) -> None:
    head = "system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity\n"
    row = "s\td\t1\tr1\tQuelle\tone word\tFluency\tMajor\n"
    with pytest.raises(ValueError, match=r"line 2 of .* has 8 cells, the header 9; give every column a cell"):
        rated(tmp_path / "mqm.tsv", head + row)


def test_a_spreadsheets_quotation_marks_go_and_others_stay(tmp_path: Path) -> None:
    lines = '"Er sagte ""ja"""\tHe said "yes\t1\n"Ja"\t""Yes""\t0\n'
    ratings = [('Er sagte "ja"', 'He said "yes', 1.0), ('"Ja"', '""Yes""', 0.0)]
    assert rated(tmp_path / "mine.tsv", "source\thypothesis\tscore\n" + lines) == ratings


@pytest.mark.parametrize("name", ["mine.tsv", "mine.csv"])
def test_a_byte_order_mark_is_no_part_of_a_column(name: str, tmp_path: Path) -> None:
    text = "\ufeffsource\thypothesis\tscore\na\tb\t0\na\tc\t1\n"
    if name.endswith("csv"):
        text = text.replace("\t", ",")
    assert rated(tmp_path / name, text) == [("a", "b", 0.0), ("a", "c", 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source\thypothesis\tscore\n", "has no rows"),
        ("a\tb\n1\t2\n", "has the columns a, b; give source, hypothesis and score"),
        ("source\thypothesis\tscore\na\tb\tgood\n", "line 2 of .* has the score 'good'"),
        ("source\thypothesis\tscore\na\tb\t1\nc\td\tnan\n", "line 3 of .* has the score 'nan'"),
        ("source\thypothesis\tscore\na\tb\n", "line 2 of .* has 2 cells, the header 3"),
        ("source\thypothesis\tscore\na\tb\t1\t2\n", "line 2 of .* has 4 cells, the header 3; take tabs out"),
        ("source\thypothesis\tscore\na\tb\t7\nc\td\t7\n", "all ratings of .* are 7"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        rated(tmp_path / "bad.tsv", text)


@pytest.mark.parametrize(("name", "message"), [("latin.tsv", "is not UTF-8"), ("latin.csv", "no table in UTF-8")])
def test_another_encoding_is_refused(name: str, message: str, tmp_path: Path) -> None:
    text = "source\thypothesis\tscore\nGröße\tsize\t1\n"
    (tmp_path / name).write_bytes(text.replace("\t", "," if name.endswith("csv") else "\t").encode("latin1"))
    with pytest.raises(ValueError, match=message):
        read_ratings(tmp_path / name)


def test_comma_separated_lines_fit_their_header(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3 of .* has 4 cells, the header 3; take commas out"):
        rated(tmp_path / "mine.csv", "source,hypothesis,score\na,b,0\na,c,d,1\n")
