"""The report of a comparison, of results written by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from experiments.reports.comparison_entry import Entry, agent_entry, supervised_entry
from experiments.reports.comparison_plots import _bars, _curves, _scatter
from experiments.reports.comparison_report import winner, write_comparison
from experiments.reports.statistics import Interval
from experiments.runs.run_folder import RunFolder
from experiments.runs.stages import SUPERVISED, equal_entropy_stage, translations_file

REFERENCES = ["the red house", "two blue cars", "one dog", "three houses"]
BASE = [0.5, 0.25, 0.75, 0.5]
STAGES = ["bc.own", "filtered-bc.own", "awr.own", "dpo.own", "dpo.filtered", "iw-sft.own"]


def measures(shift: float) -> dict[str, Any]:
    """What a policy was measured at: its reward is the supervised policy's and ``shift``, greedily half of that."""
    known = {"oracle": 0.5 + shift, "reward": 0.5 + shift, "bleu": 50.0 + 100 * shift, "chrf": 60.0, "ter": 40.0}
    return {"length_ratio": 1.0, "nats": 0.4 - shift, "judge": None, **known}


@dataclass
class Comparison:
    """A comparison's folder, written by hand."""

    folder: RunFolder
    oracle: bool = True

    def lines(self, run: RunFolder, stage: str, values: list[float], texts: list[str] = REFERENCES) -> None:
        names = ("reward", "oracle") if self.oracle else ("reward",)
        scores = [{f"{d}_{n}": value for d in ("greedy", "sample") for n in names} for value in values]
        rows = [
            line | {"source": f"Quelle {text}", "reference": text, "greedy": text}
            for line, text in zip(scores, texts, strict=True)
        ]
        run.write_lines(translations_file(stage), rows)

    def run(self, seed: int) -> RunFolder:
        """A seed's run, with its supervised policy, which is by 0.1 better from seed to seed."""
        run = self.folder.part(f"seed{seed}", seed=seed)
        if not run.has(SUPERVISED):
            rows = [{"split": "test", "decode": decode, **measures(seed / 10)} for decode in ("sample", "greedy")]
            run.finish(SUPERVISED, rows)
            self.lines(run, SUPERVISED, [value + seed / 10 for value in BASE])
        return run

    def add(self, agent: str, data: str, seed: int, shift: float, seconds: float = 1.0, **known: Any) -> None:
        """A training whose values by source are the supervised policy's of its seed and ``shift``."""
        run, stage = self.run(seed), f"{agent}.{data}"
        values = known.pop("values", [value + seed / 10 + shift for value in BASE])
        self.lines(run, stage, values, known.pop("texts", REFERENCES))
        self.lines(run, equal_entropy_stage(stage), [value + seed / 10 + 0.02 for value in BASE])
        flat = {f"{decode}_{n}": v for decode in ("greedy", "sample") for n, v in measures(shift + seed / 10).items()}
        spent = {"tokens": 1_000, "seconds": seconds, "network_mib": 8.0, "kl": 2 * shift}
        last = flat | spent | {"curve": [[500, 0.4], [1_000, 0.4 + shift]]}
        first = last | {"seconds": 99.0}
        run.finish(stage, {
            "agent": agent, "data": data, "seed": seed, "start": f"policy {seed}", "prepare_seconds": 1.5,
            "value_report": None, "steps": [first, last], "equal_entropy": {"temperature": 0.3, "nats": 0.2}, **known,
        })  # fmt: skip

    @property
    def runs(self) -> dict[int, RunFolder]:
        return {seed: self.run(seed) for seed in range(3) if (self.folder.path / f"seed{seed}").is_dir()}

    def write(self) -> dict[str, Any]:
        write_comparison(self.folder, self.runs, STAGES, REFERENCES)
        written: dict[str, Any] = json.loads((self.folder.path / "comparison.json").read_text())
        return written

    @property
    def page(self) -> str:
        return (self.folder.path / "results.md").read_text()


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    folder = RunFolder(tmp_path / "run", {"task": "tiny", "distinct": True})
    folder.finish("usage", {"seconds": 3.0})
    return Comparison(folder)


def test_rows_are_means_of_the_last_steps_over_seeds(
    comparison: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison.add("filtered-bc", "own", 0, 0.1, 2.0)
    comparison.add("filtered-bc", "own", 1, 0.2, 4.0)
    comparison.add("dpo", "own", 0, 0.05, 6.0)
    comparison.add("dpo", "filtered", 1, -0.05, 6.0)
    written = comparison.write()
    rows = written["agents"]
    assert list(rows) == ["filtered-bc", "dpo", "dpo (filtered data)"]
    best = rows["filtered-bc"]
    assert best["seeds"] == 2
    assert best["greedy_oracle"][0] == pytest.approx(0.7)  # 0.6 and 0.8, each seed beside its own supervised policy
    assert best["greedy_oracle_gain"][0] == best["sample_reward_gain"][0] == pytest.approx(0.15)
    # The two seeds alone differ: t with one degree of freedom, 12.71, and a standard error of 0.05.
    assert best["sample_reward_gain"][1:3] == pytest.approx([0.15 - 0.6353, 0.15 + 0.6353], abs=1e-3)
    assert (best["seconds"], best["seconds_sd"]) == pytest.approx((3.0, 2**0.5))
    assert (rows["dpo"]["seconds_sd"], rows["dpo"]["kl"]) == pytest.approx((0.0, 0.1))
    # On the same slice, and over the seed that both have: -0.05 - 0.2 for each source.
    assert list(written["same_data"]) == ["dpo (filtered data)"]
    assert written["same_data"]["dpo (filtered data)"]["sample_reward"][:3] == pytest.approx([-0.25] * 3)
    assert written["against_filtered-bc"]["dpo"]["greedy_oracle"][:3] == pytest.approx([-0.05] * 3)
    assert written["baseline"]["greedy_bleu"] == 55.0
    assert written["seconds"] == 3.0
    assert "1 to 2 seeds, 4 test sources" in comparison.page
    assert "| supervised BC | 0.550 |  |  | 0.550 |  |  | 55.0 | 60.0 | 40.0 | 1.000 |" in comparison.page
    # 3 s for 1,000 tokens, and DPO's 6 s are twice as many.
    assert "| filtered-bc | 300.0 | 1.00 | 1.5 | 8 |" in comparison.page
    assert "| dpo | 600.0 | 2.00 | 1.5 | 8 |" in comparison.page
    assert capsys.readouterr().out.count("| supervised BC |") == 2


def test_samples_are_held_against_the_supervised_policys_of_as_little_entropy(comparison: Comparison) -> None:
    comparison.add("filtered-bc", "own", 0, 0.1)
    comparison.add("awr", "own", 0, 0.01)
    comparison.add("dpo", "own", 0, 0.01, equal_entropy={"temperature": 0.9, "nats": 0.4})
    written = comparison.write()["equal_entropy"]
    assert "NOT MATCHED: the supervised policy's samples have less entropy beside filtered-bc, awr." in comparison.page
    assert (written["awr"]["temperature"], written["awr"]["nats"]) == (0.3, 0.2)
    assert written["awr"]["sample_oracle_supervised"] == pytest.approx(0.52)
    assert written["awr"]["sample_oracle"][:3] == pytest.approx([-0.01] * 3)
    assert written["filtered-bc"]["sample_reward"][:3] == pytest.approx([0.08] * 3)
    assert "| awr | 0.390 | 0.300 | 0.200 | 0.520 | -0.010 [-0.010, -0.010] | < 0.001 |" in comparison.page


def test_p_values_are_corrected_for_the_number_of_agents(comparison: Comparison) -> None:
    uneven = [0.6, 0.3, 0.8, 0.65]  # gains of 0.1, 0.05, 0.05, 0.15
    comparison.add("bc", "own", 0, 0.1, values=uneven)
    alone = comparison.write()["agents"]["bc"]["greedy_oracle_p"]
    comparison.add("awr", "own", 0, 0.1, values=uneven)
    both = comparison.write()["agents"]
    assert alone == pytest.approx(ttest_1samp([0.1, 0.05, 0.05, 0.15], 0).pvalue)
    assert [row["greedy_oracle_p"] for row in both.values()] == pytest.approx([2 * alone] * 2)


def test_the_page_opens_with_who_wins_greedily(comparison: Comparison) -> None:
    comparison.add("filtered-bc", "own", 0, 0.1)
    comparison.add("awr", "own", 0, 0.2)
    comparison.add("dpo", "own", 0, 0.1)
    comparison.write()
    assert comparison.page.splitlines()[2] == (
        "Greedily: `awr` wins against `filtered-bc`. Greedy true quality 0.700 against 0.600, +0.100 [+0.100, +0.100], "
        "p < 0.001 corrected for 2."
    )


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [
        ({"awr": (0.01, -0.01, 0.3)}, "NOT SHOWN that any objective wins against `filtered-bc`; the best of the oth"),
        ({"awr": (0.03, 0.01, 0.08)}, "NOT SHOWN that any"),  # the interval of one, but for the number of agents
        # The highest mean may be uncertain.
        ({"awr": (0.05, -0.01, 0.3), "dpo": (0.02, 0.01, 0.01)}, "`dpo` wins against `filtered-bc`. Greedy learned "),
        ({"awr": (0.05, -0.01, 0.3), "dpo": (0.02, 0.01, 0.01)}, "0.820 against 0.800, +0.020 [+0.010, +0.030]"),
        (
            {"awr": (0.01, 0.005, 0.01), "iql": (0.0, -0.1, 1.0), "dpo": (0.02, 0.01, 0.01)},
            "Greedily: `dpo`, `awr`, most of them `dpo`, win against `filtered-bc`. Greedy learned reward 0.82",
        ),
        ({"awr": (-0.03, -0.05, 0.01), "dpo": (-0.04, -0.06, 0.01)}, "`filtered-bc` wins against every other objectiv"),
        ({"awr": (-0.03, -0.05, 0.01), "dpo": (-0.04, -0.06, 0.2)}, "NOT SHOWN that any"),
        ({}, "No objective is held against filtered-bc"),
    ],
)
def test_a_win_is_shown_or_it_is_not(differences: dict[str, tuple[float, float, float]], sentence: str) -> None:
    rows: dict[str, dict[str, Any]] = {"filtered-bc": {"seeds": 2, "greedy_reward": Interval(0.8, 0.7, 0.9, 0.0)}}
    against = {}
    for name, (mean, low, p) in differences.items():
        rows[name] = {"seeds": 2, "greedy_reward": Interval(0.8 + mean, 0.7, 0.9, 0.0)}
        against[name] = {"greedy_reward": Interval(mean, low, 2 * mean - low, p), "greedy_reward_p": p}
    assert sentence in winner(rows, against, len(against))


def test_seeds_that_an_agent_lacks_are_named_and_means_of_others_are_not_set_beside(comparison: Comparison) -> None:
    for seed in (0, 1, 2):
        comparison.add("filtered-bc", "own", seed, 0.1)
    for seed in (1, 2):
        comparison.add("awr", "own", seed, 0.2 + seed / 100)
    comparison.write()
    assert "WARNING: seeds whose training was left out: awr lacks 0. Means of these agents" in comparison.page
    assert "Greedy true quality +0.115 [" in comparison.page.splitlines()[2]
    comparison.add("awr", "own", 0, 0.2)
    comparison.write()
    assert "was left out" not in comparison.page


def test_a_source_that_the_split_holds_twice_is_one_source() -> None:
    lines = [{"source": source, "greedy_oracle": value} for source, value in (("a", 0.2), ("b", 0.5), ("a", 0.4))]
    entry = Entry("bc", {0: {}}, {0: lines})
    assert entry.values("greedy_oracle").tolist() == [pytest.approx([0.3, 0.5])]


def test_an_agent_without_a_seed_of_filtered_bcs_has_no_difference(comparison: Comparison) -> None:
    comparison.add("filtered-bc", "own", 0, 0.1)
    comparison.add("dpo", "filtered", 1, 0.2)
    written = comparison.write()
    assert written["against_filtered-bc"] == written["same_data"] == {}
    assert "dpo (filtered data)" in written["agents"]


@pytest.mark.parametrize("distinct", [True, False])
def test_an_agent_that_trains_on_copies_has_other_data_than_one_without(tmp_path: Path, distinct: bool) -> None:
    comparison = Comparison(RunFolder(tmp_path / "run", {"task": "tiny", "distinct": distinct}))
    comparison.folder.finish("usage", {"seconds": 3.0})
    for agent, data in (("filtered-bc", "own"), ("iw-sft", "own"), ("dpo", "filtered")):
        comparison.add(agent, data, 0, 0.1)
    same_data = ["dpo (filtered data)"] if distinct else ["dpo (filtered data)", "iw-sft"]
    assert list(comparison.write()["same_data"]) == same_data
    claim = next(claim for claim in comparison.write()["claims"] if claim["number"] == "4")
    assert ("iw-sft" in claim["measured"]) != distinct


def test_one_policy_in_all_seeds_is_told(comparison: Comparison) -> None:
    comparison.add("bc", "own", 0, 0.1, start="a")
    comparison.add("bc", "own", 1, 0.1, start="b")
    comparison.write()
    assert "one and the same policy" not in comparison.page
    comparison.add("bc", "own", 1, 0.1, start="a")
    comparison.write()
    assert "All seeds start from one and the same policy: the intervals say nothing" in comparison.page


def test_without_an_oracle_and_filtered_bc_there_is_less_to_show(comparison: Comparison) -> None:
    comparison.oracle = False
    comparison.add("awr", "own", 0, 0.1)
    written = comparison.write()
    assert not {"greedy_oracle", "sample_oracle", "greedy_judge"} & written["agents"]["awr"].keys()
    assert written["same_data"] == {}
    assert not list(comparison.folder.path.glob("reward_*.png"))
    assert "| awr | 100.0 | - | 1.5 | 8 |" in comparison.page


def test_other_greedy_translations_are_tested_and_equal_ones_are_not(comparison: Comparison) -> None:
    comparison.add("bc", "own", 0, 0.1)
    comparison.add("awr", "own", 0, 0.1, texts=["a green tree", "no cars", "dogs", "nothing"])
    rows = comparison.write()["agents"]
    assert (rows["bc"]["greedy_bleu_p"], rows["bc"]["greedy_chrf_p"]) == (1.0, 1.0)
    assert rows["awr"]["greedy_chrf_p"] < 0.05


def test_plots_have_a_line_a_seed_and_a_bar_an_agent(comparison: Comparison) -> None:
    pytest.importorskip("matplotlib")
    comparison.add("bc", "own", 0, 0.1)
    comparison.add("bc", "own", 1, 0.3)
    comparison.add("dpo", "filtered", 0, 0.2)
    base = supervised_entry(comparison.runs)
    entries = [entry for stage in STAGES if (entry := agent_entry(comparison.runs, stage)) is not None]
    (curves,) = _curves(entries).axes
    assert len(curves.lines) == 3
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["bc", "dpo (filtered data)"]  # type: ignore[union-attr]
    (points,) = _scatter(entries, base, "oracle").axes
    drawn = [np.asarray(line.get_ydata()).tolist() for line in points.lines]  # samples, then greedily
    expected = [[0.5, 0.6]] * 2 + [[0.6, 0.9]] * 2 + [[0.7]] * 2
    assert drawn == [pytest.approx(each) for each in expected]
    rows = {name: dict.fromkeys(("greedy_reward", "sample_reward"), Interval(0.6, 0.5, 0.8, 0.0)) for name in "ab"}
    lines = [{"greedy_reward": 0.5, "sample_reward": 0.5}]
    figure = _bars(rows, Entry("supervised BC", {0: {"greedy_reward": 0.5, "sample_reward": 0.5}}, {0: lines}))
    for bars in figure.axes:
        assert [bar.get_width() for bar in bars.patches] == [0.6, 0.6]  # type: ignore[attr-defined]
        assert bars.get_xlim()[0] == pytest.approx(0.45)
