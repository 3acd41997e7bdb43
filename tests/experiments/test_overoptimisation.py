from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from experiments import overoptimisation
from experiments.reports.overoptimisation_fit import basis
from experiments.reports.overoptimisation_points import reward_of

SOURCES = 30
KL = {"bc": 0.25, "dpo": 1.0, "gold": 4.0}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def compared(folder: Path, scorer: str | None = None, *, steps: int = 1, beta: float = 0.3) -> Path:
    """Two seeds of three agents, whose quality is on a curve with alpha 0.2 and some beta, and reward with beta 0.

    The KL of each agent grows in proportion to its Improve steps.
    """
    rng = np.random.default_rng(0)
    write(folder / "config.json", {"task": "tiny", "scorer": scorer})
    write(folder / "comparison.json", {})
    for seed in range(2):
        run = folder / f"seed{seed}"
        write(run / "config.json", {"task": "tiny", "seed": seed})
        (run / "hypotheses").mkdir()
        noise = rng.normal(0, 0.02, SOURCES)
        noise -= noise.mean()
        for agent, last in {"g0i0": 0.0, **KL}.items():
            stage = "g0i0" if agent == "g0i0" else f"{agent}.own"
            every = [last * step / steps for step in range(1, steps + 1)]
            for step, kl in enumerate(every, start=1):
                distance = np.array(kl**0.5)
                reward, oracle = (float(basis("rl", distance) @ [0.2, each]) for each in (0.0, beta))
                lines = [
                    {"source": f"{i}", "sample_reward": 0.5 + reward + at, "sample_oracle": 0.5 + oracle + at}
                    for i, at in enumerate(noise)
                ]
                kept = stage if step == steps else f"{stage}.step{step}"
                text = "".join(json.dumps(line) + "\n" for line in lines)
                (run / "hypotheses" / f"{kept}.jsonl").write_text(text)
            trial = {"agent": agent, "data": "own", "steps": [{"kl": kl} for kl in every]}
            write(run / "stages" / f"{stage}.json", [] if agent == "g0i0" else trial)
    return folder


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    return compared(tmp_path / "comparison")


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


def test_agents_and_scorers_of_several_sizes_have_curves_of_their_own(tmp_path: Path) -> None:
    paths = []
    for ratings, beta in ((20_000, 0.1), (500, 0.4)):
        scorer = tmp_path / f"scorer{ratings}"
        write(scorer / "report.json", {"config": {"oracle": {"ratings": ratings}, "refresh": None}})
        save_file({"a": np.zeros((ratings, 2)), "b": np.zeros(3)}, scorer / "model.safetensors")
        paths.append(compared(tmp_path / f"by{ratings}", str(scorer), steps=3, beta=beta))
    overoptimisation.main([*map(str, paths), "--out", str(tmp_path / "report")])
    report = json.loads((tmp_path / "report" / "overoptimisation.json").read_text())
    for family, ratings, beta in zip(report["families"], (20_000, 500), (0.1, 0.4), strict=True):
        assert (family["scorer"]["ratings"], family["scorer"]["parameters"]) == (ratings, 2 * ratings + 3)
        assert family["name"].endswith(f"by scorer {tmp_path / f'scorer{ratings}'}")
        fits = {each["series"]: each["beta"]["value"] for each in family["fits"] if each["measure"] == "gold"}
        assert fits == {name: pytest.approx(beta) for name in ("agents", *KL)}
        assert {point["name"]: point["kl"] for point in family["points"] if point["series"] == "dpo"} == pytest.approx(
            {"dpo, step 1": 1 / 3, "dpo, step 2": 2 / 3, "dpo": 1.0}
        )
    text = (tmp_path / "report" / "overoptimisation.md").read_text()
    section = text[text.index("## By scorer") :].split("\n\n")[1].splitlines()[2:]
    dpo = [line.split(" | ")[3:5] for line in section if line.startswith("| dpo | true quality")]
    assert dpo == [["1,003", "500"], ["40,003", "20,000"]]


def test_what_is_neither_run_nor_comparison_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^error: neither a run nor a comparison in "):
        overoptimisation.main([str(tmp_path)])
    write(tmp_path / "config.json", {"task": "tiny", "agent": "bc", "temperature": 0.8})
    with pytest.raises(SystemExit, match=r"^error: no samples of policies in .*; draw them first: rest best-of-n "):
        overoptimisation.main([str(tmp_path)])


def test_a_scorer_of_pairs_learned_from_no_ratings(tmp_path: Path) -> None:
    """Its report has the defaults of a scorer that learns from the oracle, too."""
    write(tmp_path / "report.json", {"config": {"oracle": {"ratings": 20_000}, "refresh": None}})
    save_file({"a": np.zeros(3)}, tmp_path / "head.safetensors")
    assert reward_of({"task": "text-files", "scorer": str(tmp_path)}).ratings is None
