"""The page: a row a claim, figures, and numbers as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from experiments.paper.claims import CLAIMS
from experiments.paper.page import write_page
from tests.experiments.paper.written_plan import written_plan


def test_a_page_has_a_row_for_each_claim(tmp_path: Path) -> None:
    plan = written_plan(tmp_path, {"g0i0": 0.5, "g1i1": 0.6, "g2i1": 0.7})
    (plan.runs[0] / "steps.png").write_bytes(b"drawn by the run")
    verdicts = {name: CLAIMS[name].verdict(plan) for name in ("1", "2", "5")}
    out = tmp_path / "page"
    said = write_page(out, [plan], [verdicts])
    assert said == "Lowres, of 3 claims, negative results and future work: 2 holds, 1 not run."
    text = (out / "paper.md").read_text()
    assert said in text
    row = next(line for line in text.splitlines() if line.startswith("| 2 |"))
    assert (
        "**holds** | 80 samples, 0.0 M tokens | `rest reproduce --claims 2 --regimes lowres --seed 0 --seeds 2` |"
        in row
    )
    missing = "needs BC on all of the batch for as many tokens as ReST, online RL"
    assert f"| {missing} | **not run** | - | `rest reproduce --claims 5" in text
    assert "(claim-1-lowres.png)" in text
    assert (out / "claim-1-lowres.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "claim-2-lowres.png").read_bytes() == b"drawn by the run"
    record = json.loads((out / "paper.json").read_text())["lowres"]
    assert record["2"]["verdict"] == "holds"
    assert record["2"]["estimates"]["above G=1"]["mean"] > 0
    assert record["5"]["samples"] == 0
