"""Ratings come back from the page and from Pearmut, and what cannot be of the campaign is refused in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.people.campaign import Campaign, Candidate, Item
from experiments.people.pearmut import pearmut_campaign
from experiments.people.rating_files import read_ratings
from tests.experiments.people.written_run import campaign, page_file, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def known(run: Path) -> Campaign:
    return campaign(run, "side-by-side", count=2)[1]


ONE = {"item": "001", "candidate": "a", "score": 1}


def four(item: Item, candidate: Candidate) -> int:
    return 4


def test_files_of_several_raters_are_joined(run: Path, known: Campaign, tmp_path: Path) -> None:
    files = [page_file(tmp_path / f"{name}.json", known, four, name) for name in ("anna", "ben")]
    folder, same, ratings = read_ratings(run, files)
    assert (folder, same) == (run / "ratings" / "x", known)
    assert len(ratings) == 2 * known.size == 16
    assert {(each.rater, each.score, each.errors) for each in ratings} == {
        ("anna", 4.0, ("minor",)), ("ben", 4.0, ("minor",)),
    }  # fmt: skip


def test_half_finished_says_how_much_is_missing(run: Path, known: Campaign, tmp_path: Path) -> None:
    half = page_file(tmp_path / "half.json", known, lambda item, _: 1 if item.name == "001" else None)
    whole = page_file(tmp_path / "whole.json", known, four, "ben")
    with pytest.raises(ValueError, match=r"of 8 translations rater 'anna' lacks 6; have them .* with --partial$"):
        read_ratings(run, [half, whole])
    assert len(read_ratings(run, [half, whole], partial=True)[2]) == 10
    nothing = page_file(tmp_path / "nothing.json", known, lambda *_: None)
    with pytest.raises(ValueError, match="rater 'anna' lacks 8;"):
        read_ratings(run, [nothing])
    with pytest.raises(ValueError, match="there is no rating in"):
        read_ratings(run, [nothing], partial=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"campaign": "0123456789abcdef"}, r"of campaign '0123456789abcdef', and '.*' has .* \(x\); name the run"),
        ({"ratings": [ONE | {"item": "099"}]}, "item '099' 'a' by rater 'anna' in '.*' is none of campaign"),
        ({"ratings": [ONE | {"candidate": "c"}]}, "item '001' 'c' by rater 'anna' in '.*' is none of campaign"),
        ({"ratings": [ONE | {"score": 7}]}, "has the score 7; the scale of side-by-side is 0 to 6"),
        ({"ratings": [ONE | {"score": -1}]}, "has the score -1; the scale"),
        ({"ratings": [ONE | {"score": True}]}, "has the score True; the scale"),
        ({"ratings": [ONE | {"score": "4"}]}, "has the score '4'; the scale"),
        ({"ratings": [ONE | {"score": float("nan")}]}, "has the score nan; the scale"),
        ({"ratings": [ONE] * 2}, "rater 'anna' rates item 001 S. twice, in '[^']*';"),
        ({"ratings": [ONE | {"item": "x\n" * 9_000}], "rater": "y\n" * 9_000}, "is none of campaign"),
        ({"ratings": [ONE | {"score": "9" * 9_000}]}, "has the score '9"),
        ({"ratings": [{"item": "001"}]}, "is no file of ratings .*; give what the rating page saves"),
        ({"ratings": 3}, "is no file of ratings"),
        ({"rater": " "}, "names no rater; put a name in and save again"),
    ],
)  # fmt: skip
def test_what_is_no_rating_of_the_campaign_is_refused(
    changes: dict[str, Any], said: str, run: Path, known: Campaign, tmp_path: Path
) -> None:
    path = page_file(tmp_path / "f.json", known, four, **changes)
    with pytest.raises(ValueError, match=said) as refusal:
        read_ratings(run, [path])
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 700


def test_one_rater_twice_and_several_campaigns_are_refused(run: Path, known: Campaign, tmp_path: Path) -> None:
    one, two = (page_file(tmp_path / f"{name}.json", known, four) for name in ("one", "two"))
    with pytest.raises(ValueError, match=re.escape(f"twice, in {str(one)!r} and {str(two)!r}; leave one out")):
        read_ratings(run, [one, two])
    _, other = campaign(run, "da", name="y")
    with pytest.raises(ValueError, match=r"the files are of campaigns .*, .*; import one at a time"):
        read_ratings(run, [one, page_file(tmp_path / "three.json", other, four)])


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "[]", "{}", '{"a": 1}', "\x00", "[" * 100_000])
def test_another_file_is_refused(text: str, run: Path, known: Campaign, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(ValueError, match=r"'.*f.json' is no (JSON|file of ratings)"):
        read_ratings(run, [tmp_path / "f.json"])


def log(known: Campaign, user: str, quality: int, **parts: Any) -> list[dict[str, Any]]:
    """What Pearmut would log of a rater who gives everything one score."""
    documents = pearmut_campaign(known, "x", 1)["data"][0]
    answer = {"score": None, "sliders": {"Quality": quality}, "error_spans": [{"severity": "major"}], **parts}
    return [
        {"user_id": user, "item_i": place, "item": items, "annotation": [dict.fromkeys(items[0]["tgt"], answer)]}
        for place, items in enumerate(documents)
    ]


def test_pearmuts_log_counts_as_it_stands_at_its_end(run: Path, known: Campaign, tmp_path: Path) -> None:
    lines = [*log(known, "rater-1", 2), *log(known, "rater-2", 5), *log(known, "rater-1", 3)]
    lines += [{"user_id": "rater-2", "annotation": "__RESET__"}, *log(known, "rater-2", 6)[:2]]
    lines += [
        {"user_id": "rater-1", "item_i": "welcome_0", "item": [{"text": "?", "form": "string"}], "annotation": ["x"]}
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match=r"of 8 translations rater 'rater-2' lacks 4;"):
        read_ratings(run, [tmp_path / "log.jsonl"])
    ratings = read_ratings(run, [tmp_path / "log.jsonl"], partial=True)[2]
    assert sorted((each.rater, each.score) for each in ratings) == [("rater-1", 3.0)] * 8 + [("rater-2", 6.0)] * 4
    assert {each.errors for each in ratings} == {("major",)}


def test_pearmuts_download_may_hold_other_campaigns(run: Path, known: Campaign, tmp_path: Path) -> None:
    other = {
        "user_id": "u",
        "item_i": 0,
        "item": [{"src": "a", "tgt": {"m": "b"}}],
        "annotation": [{"m": {"score": 1}}],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"x": log(known, "rater-1", 2, score=1), "theirs": [other]}))
    assert {each.score for each in read_ratings(run, [path])[2]} == {1.0}
    path.write_text(json.dumps({"theirs": [other]}))
    with pytest.raises(ValueError, match="is no file of ratings of ours; give what"):
        read_ratings(run, [path])
    path.write_text(json.dumps(log(known, "rater-1", 2)[0]))  # JSON Lines of a single line
    assert len(read_ratings(run, [path], partial=True)[2]) == 2
