"""The page of a run."""

from __future__ import annotations

import re

from experiments.growing_batch import Config
from experiments.reports.page.page import PAGE
from experiments.runs.experiment import Experiment


def test_the_page_has_what_the_results_have(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder.path
    text, results = ((folder / name).read_text("utf-8") for name in (PAGE, "results.md"))
    sections = re.findall(r"^## (.+)$", results, re.MULTILINE)
    shown = re.findall(r"<h2[^>]*>([^<]+)</h2>", text)
    assert shown[:2] == ["At a glance", "Summary"]
    assert [each for each in sections if each not in ("Plots", sections[-1])] == [
        each.replace("&#39;", "'") for each in shown[1:-2]
    ]
    assert shown[-2:] == ["Translations side by side", "Provenance"]
    sentence = next(line for line in results.splitlines() if line.startswith("Reward hacking"))
    assert sentence in text
    assert len(re.findall(r'<tr id="pair', text)) == len(finished_run.task.split("test"))
    assert "scorer_fingerprint" in text


def test_charts_stand_where_their_numbers_are(finished_run: Experiment[Config]) -> None:
    text = (finished_run.folder.path / PAGE).read_text("utf-8")
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", text)
    if captions:  # with matplotlib
        assert [each.split()[0] for each in captions] == ["Test", "Distribution", "Validation", "What", "Change"]
        assert text.index("<figcaption>Change") > text.index("What rises together, and what parts</h2>")
