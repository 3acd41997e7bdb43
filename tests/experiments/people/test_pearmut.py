"""A campaign in Pearmut's JSON; where Pearmut is installed, `.ci/libraries pearmut`, it takes it and gives it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.people.pearmut import pearmut_campaign
from experiments.people.rating_files import read_ratings
from seq2seq_env.extras import is_installed
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


@pytest.mark.skipif(not is_installed("pearmut"), reason="Pearmut is not installed, see .ci/libraries")
@pytest.mark.parametrize("protocol", ["side-by-side", "esa"])
def test_the_real_pearmut_takes_it_and_its_answers_come_back(protocol: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    _, known = campaign(run, protocol, count=3)
    file = tmp_path / "pearmut.json"
    file.write_text(json.dumps(pearmut_campaign(known, "x", 2)))
    environment = {**os.environ, "PEARMUT_ROOT": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", "from pearmut.cli import main; main()", "add", str(file)], env=environment, check=True
    )
    # Its own server, spoken to as its page does; in a process of its own, for it reads its folder when imported.
    talk = """
import json, sys
from fastapi.testclient import TestClient
from pearmut.app import app
client, campaign = TestClient(app), sys.argv[1]
for user in ("rater-1", "rater-2"):
    while True:
        item = client.post("/get-next-item", json={"campaign_id": campaign, "user_id": user}).json()
        if item["status"] == "goodbye":
            break
        sliders = item["info"].get("sliders")
        answer = {"score": None if sliders else 5, "error_spans": []} | ({"sliders": {"Quality": 5}} if sliders else {})
        payload = {"annotation": [dict.fromkeys(each["tgt"], answer) for each in item["payload"]],
                   "item": item["payload"], "actions": [{"time": 1.0}, {"time": 2.0}]}
        client.post("/log-response", json={"campaign_id": campaign, "user_id": user, "payload": payload,
                                           "item_i": item["info"]["item_i"]}).raise_for_status()
print(client.get("/download-annotations", params={"campaign_id": campaign}).text)
"""
    done = subprocess.run(
        [sys.executable, "-c", talk, f"x-{known.fingerprint}"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    (tmp_path / "annotations.json").write_text(done.stdout)
    log = tmp_path / "data" / "annotations" / f"x-{known.fingerprint}.jsonl"
    for path in (tmp_path / "annotations.json", log):
        ratings = read_ratings(run, [path])[2]
        assert len(ratings) == 2 * known.size
        assert {each.score for each in ratings} == {5.0}
