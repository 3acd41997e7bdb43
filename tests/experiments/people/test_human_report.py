from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.people.human_report import FIGURE, LINES, RESULTS, TABLE, write_human_report
from experiments.people.rating_files import read_ratings
from experiments.people.verdict import human_verdict
from experiments.scorer_training.ratings import read_ratings as read_table
from seq2seq_env.extras import is_installed
from tests.experiments.people.written_run import campaign, page_file, write_run

SCORES = {"g0i0": 3, "g1i2": 5, "control-unfiltered": 2}


def test_the_report_compares_people_with_the_reward(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    folder, known = campaign(run, "side-by-side", count=19)
    files = [
        page_file(tmp_path / f"{number}.json", known, lambda item, each: SCORES[each.systems[0]], rater)
        for number, rater in enumerate(("<b>anna</b>", "ben | \u202e"))
    ]
    _, _, ratings = read_ratings(run, files)
    sentences = write_human_report(folder, known, ratings, human_verdict(known, ratings))
    assert sentences == [
        "G=1 I=2 is better than supervised for people, +1.62 [+1.62, +1.62] over all test sources; the learned reward "
        "rose by 0.400.",
        "unfiltered is worse than supervised for people, -0.81 [-0.81, -0.81] over all test sources; the learned "
        "reward fell by 0.100.",
        "From best to worst, people put them as G=1 I=2, supervised, unfiltered; so does the learned reward.",
    ]
    text = (folder / RESULTS).read_text("utf-8")
    assert all(sentence in text for sentence in sentences)
    assert "| G=1 I=2 | 19 | 4.79" in text
    assert "&lt;b&gt;anna" in text
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "alpha (interval) of scores is 1.00, of differences between translations shown together 1.00" in text
    assert (folder / FIGURE).is_file() == (f"![{FIGURE}]" in text) == is_installed("matplotlib")
    lines = [json.loads(line) for line in (folder / LINES).read_text("utf-8").splitlines()]
    assert len(lines) == 2 * known.size
    assert {tuple(line["stages"]) for line in lines if line["score"] == 5} == {("g1i2",)}
    # What a scorer learns from: on the protocol's own scale, not the ratings', hostile texts as they were.
    table = read_table(folder / TABLE)
    assert sorted({each.score for each in table}) == pytest.approx([2 / 6, 3 / 6, 5 / 6], abs=1e-6)
    wanted = {(item.source, each.text): each for item in known.items for each in item.candidates}
    assert {(each.source, each.hypothesis) for each in table} == set(wanted)


def test_what_cannot_be_said_is_said_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    folder, known = campaign(run, "esa", count=2)
    path = page_file(tmp_path / "f.json", known, lambda item, each: 50 if item.name == "001" else None)
    ratings = read_ratings(run, [path], partial=True)[2]
    sentences = write_human_report(folder, known, ratings, human_verdict(known, ratings))
    assert sentences[0].endswith("fewer than two sources with different translations are rated; nothing is shown.")
    assert sentences[-1] == "Half finished: nobody rated 5 of 6 translations."
    text = (folder / RESULTS).read_text("utf-8")
    assert "nothing is known of their agreement" in text
    assert "nothing can be said" in text
    assert "0.00 / 1.00" in text  # minor errors, which the rater marked
