"""A campaign in Pearmut's JSON; tests/libraries/test_pearmut.py gives it to the real one."""

from __future__ import annotations

from pathlib import Path

from experiments.people.pearmut import pearmut_campaign
from tests.experiments.people.written_run import campaign, write_run


def test_a_campaign_says_nothing_of_systems_and_is_no_html(tmp_path: Path) -> None:
    _, known = campaign(write_run(tmp_path / "run"), "cesa")
    record = pearmut_campaign(known, "mine", 2)
    assert record["campaign_id"] == f"mine-{known.fingerprint}"
    assert record["info"]["protocol"] == "cESA"
    assert record["info"]["users"] == ["rater-1", "rater-2"]
    one, two = ([items[0]["item_id"] for items in documents] for documents in record["data"])
    assert one != two
    assert sorted(one) == sorted(two) == [item.name for item in known.items]
    texts = [text for (item,) in record["data"][0] for text in (item["src"], *item["tgt"].values())]
    assert not any(text.startswith(("<img ", "<script")) or "</div>" in text for text in texts)
    assert not set("".join(texts)) & set("\u202e\u2066")
    assert all(texts)
    assert max(map(len, texts)) > 9_000
    names = {name for (item,) in record["data"][0] for name in item["tgt"]}
    assert names == {"S1", "S2", "S3", "S1-S2-S3"}
    assert "ref" not in record["data"][0][0][0]
    assert pearmut_campaign(known, "mine", 1, reference=True)["data"][0][0][0]["ref"] == "r"


def test_the_papers_scale_has_a_slider_of_its_own(tmp_path: Path) -> None:
    _, known = campaign(write_run(tmp_path / "run"), "side-by-side")
    info = pearmut_campaign(known, "x", 1)["info"]
    assert info["sliders"] == [{"name": "Quality", "min": 0, "max": 6, "step": 1}]
    assert "<li>6: the whole meaning, and no fault</li>" in info["instructions"]
