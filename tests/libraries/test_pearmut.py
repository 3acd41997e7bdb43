"""Pearmut, WMT's tool: it takes our campaigns, and its annotations come back; `.ci/libraries pearmut` installs it."""

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

pytestmark = pytest.mark.skipif(
    not is_installed("pearmut"), reason="Pearmut, which needs Python 3.12, is not installed, see .ci/libraries"
)

TALK = """
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
"""Speaks to its server as its page does, in a process of its own, for it reads its folder when it is imported."""


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
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TALK, f"x-{known.fingerprint}"],
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
