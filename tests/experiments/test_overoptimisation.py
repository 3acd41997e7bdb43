from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import overoptimisation
from experiments.reports.overoptimisation_fit import basis

SOURCES = 30
KL = {"bc": 0.25, "dpo": 1.0, "gold": 4.0}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    """Two seeds of three agents, whose quality is on a curve with alpha 0.2 and beta 0.3, and reward with beta 0."""
    folder, rng = tmp_path / "comparison", np.random.default_rng(0)
    write(folder / "config.json", {"task": "tiny"})
    write(folder / "comparison.json", {})
    for seed in range(2):
        run = folder / f"seed{seed}"
        write(run / "config.json", {"task": "tiny", "seed": seed})
        noise = rng.normal(0, 0.02, SOURCES)
        noise -= noise.mean()
        for agent, kl in {"g0i0": 0.0, **KL}.items():
            distance = np.array(kl**0.5)
            reward, oracle = (float(basis("rl", distance) @ [0.2, beta]) for beta in (0.0, 0.3))
            lines = [{"sample_reward": 0.5 + reward + at, "sample_oracle": 0.5 + oracle + at} for at in noise]
            stage = "g0i0" if agent == "g0i0" else f"{agent}.own"
            trial = {"agent": agent, "data": "own", "steps": [{"kl": kl}]}
            write(run / "stages" / f"{stage}.json", [] if agent == "g0i0" else trial)
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (run / "hypotheses").mkdir(exist_ok=True)
            (run / "hypotheses" / f"{stage}.jsonl").write_text(text)
    return folder


def test_a_comparison_has_one_curve_through_its_agents(comparison: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overoptimisation.main([str(comparison), "--out", str(comparison / "report")])
    assert "agents: true quality is past its peak, at d = " in capsys.readouterr().out
    (family,) = json.loads((comparison / "report" / "overoptimisation.json").read_text())["families"]
    assert family["gold"] == "oracle"
    assert {point["name"]: point["kl"] for point in family["points"]} == KL
    reward, gold = family["fits"]
    assert (reward["measure"], reward["alpha"]["value"], reward["beta"]["value"]) == (
        "reward", pytest.approx(0.2), pytest.approx(0, abs=1e-9)
    )  # fmt: skip
    assert (gold["measure"], gold["alpha"]["value"], gold["beta"]["value"]) == (
        "gold", pytest.approx(0.2), pytest.approx(0.3)
    )  # fmt: skip
    assert (comparison / "report" / "overoptimisation.png").is_file()


def test_what_is_neither_run_nor_comparison_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^error: neither a run nor a comparison in "):
        overoptimisation.main([str(tmp_path)])
    write(tmp_path / "config.json", {"task": "tiny", "agent": "bc", "temperature": 0.8})
    with pytest.raises(SystemExit, match=r"^error: no samples of policies in .*; draw them first: rest best-of-n "):
        overoptimisation.main([str(tmp_path)])
