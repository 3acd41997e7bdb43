from __future__ import annotations

import re

from experiments.datasets.making import Dataset


def test_a_card_says_what_is_in_it_and_how_to_make_it(dataset: Dataset) -> None:
    text = (dataset.folder / "README.md").read_text("utf-8")
    assert text.startswith("---\nlicense: apache-2.0\n")
    rows = dict(re.findall(r"^\| (original pairs|samples of \w+) \| ([\d,]+) \|", text, re.MULTILINE))
    assert rows == {"original pairs": "18", "samples of one": "16", "samples of other": "16"}
    assert "2 of each policy for each, in this order, so that candidate k is of policy number k // 2" in text
    assert "rest dataset make translation/phrasebook-lowres-mixed-v1\n" in text
    assert "Share of trajectories by oracle:" in text
    histogram = re.search(r"^\| original pairs \| ((?:[\d.]+% \| ){9}[\d.]+%) \|$", text, re.MULTILINE)
    assert histogram is not None
    assert sum(float(share.rstrip("%")) for share in histogram[1].split(" | ")) == 100.0
