"""The report of a comparison, of results written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from experiments.reports.comparison_entry import Entry, measured_on
from experiments.reports.comparison_plots import _bars, _curves, _scatter
from experiments.reports.comparison_report import write_comparison
from experiments.reports.statistics import Interval
from experiments.runs.run_folder import RunFolder

REFERENCES = ["the red house", "two blue cars", "one dog", "three houses"]
BASE = [0.5, 0.25, 0.75, 0.5]


def measures(shift: float, texts: list[str] = REFERENCES, oracle: bool = True) -> dict[str, Any]:
    """What a policy was measured at: its reward by source is the supervised policy's and ``shift``."""
    rewards = [reward + shift for reward in BASE]
    return {
        "reward": float(np.mean(rewards)), "oracle": float(np.mean(rewards)) if oracle else None, "judge": None,
        "length_ratio": 1.0, "greedy_reward": 0.5, "greedy_oracle": 0.5, "greedy_judge": None, "sample_bleu": 10.0,
        "bleu": 50.0 + 100 * shift, "chrf": 60.0, "kl": 2 * shift, "rewards": rewards,
        "qualities": rewards if oracle else None, "judgements": None, "greedy_qualities": rewards if oracle else None,
        "greedy_texts": texts, "sources": 4,
    }  # fmt: skip


def step(shift: float, seconds: float, **known: Any) -> dict[str, Any]:
    spent = {"tokens": 1_000, "best_tokens": 500, "seconds": seconds, "network_mib": 8.0}
    return measures(shift, **known) | spent | {"curve": [[500, 0.4], [1_000, 0.4 + shift]]}


def result(agent: str, data: str, seed: int, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"agent": agent, "data": data, "seed": seed, "prepare_seconds": 1.5, "value_report": None, "steps": steps}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run", {"task": "tiny"})
    folder.finish("supervised", measures(0.0))
    folder.finish("usage", {"seconds": 3.0})
    return folder


def written(run: RunFolder, results: list[dict[str, Any]]) -> dict[str, Any]:
    stages = []
    for each in results:
        stages.append(f"{each['agent']}.{each['data']}.seed{each['seed']}")
        run.finish(stages[-1], each)
    write_comparison(run, "supervised", stages, REFERENCES)
    found: dict[str, Any] = json.loads((run.path / "comparison.json").read_text())
    return found


def test_rows_are_means_of_the_last_steps_over_seeds(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(run, [
        result("filtered-bc", "own", 0, step(-0.4, 9.0), step(0.1, 2.0)),
        result("filtered-bc", "own", 1, step(-0.4, 9.0), step(0.2, 4.0)),
        result("dpo", "own", 0, step(0.05, 6.0)),
        result("dpo", "filtered", 0, step(-0.05, 6.0)),
    ])  # fmt: skip
    rows = found["agents"]
    assert list(rows) == ["filtered-bc", "dpo", "dpo (filtered data)"]
    best = rows["filtered-bc"]
    assert best["seeds"] == 2
    assert best["reward"][0] == pytest.approx(0.65)
    assert best["reward_gain"][0] == pytest.approx(0.15)
    # The two seeds alone differ: t with one degree of freedom, 12.71, and a standard error of 0.05.
    assert best["reward_gain"][1:3] == pytest.approx([0.15 - 0.6353, 0.15 + 0.6353], abs=1e-3)
    assert (best["seconds"], best["seconds_sd"]) == pytest.approx((3.0, 2**0.5))
    assert (rows["dpo"]["seconds_sd"], rows["dpo"]["kl"]) == pytest.approx((0.0, 0.1))
    # On the same slice, and over as many seeds as both have: -0.05 - 0.1 for each source.
    assert found["same_data"]["dpo (filtered data)"]["reward"] == pytest.approx([-0.15] * 3 + [0.0])
    assert found["baseline"]["bleu"] == 50.0
    assert not any(isinstance(value, list) for value in found["baseline"].values())
    assert found["seconds"] == 3.0
    page = (run.path / "comparison.md").read_text()
    assert "1 to 2 seeds, 4 test sources" in page
    assert "| supervised BC | 0.500 |  |  | 0.500 |  |  | 50.0 | 60.0 | 0 | 1.000 |" in page
    # 3 s for 1,000 tokens, and DPO's 6 s are twice as many.
    assert "| filtered-bc | 300.0 | 1.00 | 1.5 | 8 |" in page
    assert "| dpo | 600.0 | 2.00 | 1.5 | 8 |" in page
    assert "| dpo (filtered data) | -0.150 [-0.150, -0.150] |" in page
    assert capsys.readouterr().out.count("| supervised BC |") == 1


def test_p_values_are_corrected_for_the_number_of_agents(run: RunFolder) -> None:
    uneven = step(0.1, 1.0) | {"rewards": [0.6, 0.3, 0.8, 0.65]}  # gains of 0.1, 0.05, 0.05, 0.15
    alone = written(run, [result("bc", "own", 0, uneven)])["agents"]["bc"]["reward_p"]
    both = written(run, [result("bc", "own", 0, uneven), result("awr", "own", 0, uneven)])
    assert alone == pytest.approx(ttest_1samp([0.1, 0.05, 0.05, 0.15], 0).pvalue)
    assert [row["reward_p"] for row in both["agents"].values()] == pytest.approx([2 * alone] * 2)


def test_without_an_oracle_and_filtered_bc_there_is_less_to_show(run: RunFolder) -> None:
    run.finish("supervised", measures(0.0, oracle=False))
    found = written(run, [result("awr", "own", 0, step(0.1, 1.0, oracle=False))])
    assert not {"oracle", "greedy_oracle", "judge"} & found["agents"]["awr"].keys()
    assert found["same_data"] == {}
    assert not list(run.path.glob("reward_*.png"))
    assert "| awr | 100.0 | - | 1.5 | 8 |" in (run.path / "comparison.md").read_text()
    assert measured_on(run.result("supervised")) == ["reward"]


def test_other_greedy_translations_are_tested_and_equal_ones_are_not(run: RunFolder) -> None:
    worse = ["a green tree", "no cars", "dogs", "nothing"]
    found = written(run, [
        result("bc", "own", 0, step(0.1, 1.0)), result("awr", "own", 0, step(0.1, 1.0, texts=worse)),
    ])["agents"]  # fmt: skip
    assert (found["bc"]["bleu_p"], found["bc"]["chrf_p"]) == (1.0, 1.0)
    assert found["awr"]["chrf_p"] < 0.05


def entries() -> list[Entry]:
    return [
        Entry("bc", "own", [step(0.1, 1.0), step(0.3, 1.0)], 0.0),
        Entry("awr", "filtered", [step(0.2, 1.0)], 0.0),
    ]


def test_plots_have_a_line_a_seed_and_a_bar_an_agent() -> None:
    pytest.importorskip("matplotlib")
    (curves,) = _curves(entries()).axes
    assert len(curves.lines) == 3
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["bc", "awr (filtered data)"]  # type: ignore[union-attr]
    (points,) = _scatter(entries(), measures(0.0), "oracle").axes
    supervised, bc, _ = points.lines
    assert (np.asarray(supervised.get_xdata()).tolist(), np.asarray(supervised.get_ydata()).tolist()) == ([0.5], [0.5])
    assert np.asarray(bc.get_ydata()).tolist() == pytest.approx([0.6, 0.8])
    rows = {name: {"reward": Interval(0.6, 0.5, 0.8, 0.0)} for name in ("bc", "awr")}
    (bars,) = _bars(rows, measures(0.0, oracle=False)).axes
    assert [bar.get_width() for bar in bars.patches] == [0.6, 0.6]  # type: ignore[attr-defined]
    assert bars.get_xlim()[0] == pytest.approx(0.45)
