"""The report of a run: its gains, its tables and its examples."""

from __future__ import annotations

import json
from itertools import product

import pytest

from agents import run_evaluation
from experiments.growing_batch import Config
from experiments.reports.evidence import Comparison
from experiments.reports.examples import NUM_EXAMPLES
from experiments.reports.report import _headline, _refreshes, _scorer_tests, learning_curves, warnings
from experiments.reports.statistics import Interval
from experiments.runs.experiment import Experiment
from experiments.runs.stages import EQUAL_ENTROPY, RERANKED
from experiments.runs.untrained import BEST_OF

ARMS = ("unfiltered", "filtered", "samples", "one-grow", "random")


def steps_of_data(page: str) -> list[str]:
    return page[page.index("## Data of each Improve step") :].splitlines()


def test_the_report_holds_what_the_stages_hold(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder
    found = json.loads((folder.path / "results.json").read_text())
    assert found["config"] == folder.config
    for row in found["steps"]:
        stage = folder.result(f"g{row['grow']}i{row['improve']}")
        assert {name: value for name, value in row.items() if name not in ("grow", "improve")} in stage
    assert [row["step"] for row in found["controls"]] == [arm for arm in ARMS for _ in range(3)]
    reranked = folder.result(RERANKED)
    assert found["summary"]["best_of_n_before"] == reranked["best"] > reranked["mean"]
    assert found["summary"]["seconds"] == 60.0
    assert all(found["sacrebleu"][name].startswith("nrefs:1|") for name in ("bleu", "chrf", "ter"))
    assert BEST_OF > 1


def test_a_judge_of_the_rewards_make_is_no_witness() -> None:
    gain = Interval(0.1, 0.05, 0.15, 0.01)
    evidence = [Comparison("greedy", measure, 1.0, "filtered", 0.9, gain, [0.1]) for measure in ("bleu", "judge")]
    headlines = {related: _headline(evidence, {}, 0.1, related) for related in (None, False, True)}
    assert [line.partition(" of")[0] for line in headlines[False][:2]] == ["BLEU", "Judge"]
    assert headlines[None] == headlines[False] == [headlines[True][0], headlines[False][1], headlines[True][1]]


def test_without_an_arm_lower_entropy_alone_is_no_best_control() -> None:
    gain = Interval(0.1, 0.05, 0.15, 0.01)
    evidence = [Comparison("sample", "oracle", 0.81, EQUAL_ENTROPY, 0.7, gain, [0.1])]
    entropy = {"nats": 0.2, "temperature": 0.5}
    first, second, *_ = _headline(evidence, entropy, 0.1, None)
    assert first == "No control was trained, so nothing is shown of what raised the numbers below."
    assert second.startswith("True quality of samples: 0.810, above the control equal-entropy (0.700), by +0.100 [")
    assert _headline([], {}, 0.1, None) == [first]


def test_the_page_shows_every_step_and_every_plot(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder.path
    page = (folder / "results.md").read_text()
    steps = [
        line for line in page.splitlines() if line.startswith(("| G=", "| supervised", *(f"| {arm}" for arm in ARMS)))
    ]
    names = ("supervised", "G=1 I=1", "G=1 I=2", *ARMS)
    by_split = [f"| {name} | {decode} |" for name, decode in product(names, ("sample", "greedy"))]
    assert all(any(line.startswith(each) for line in steps) for each in by_split)
    for plot in folder.glob("*.png"):
        assert f"![{plot.name}]({plot.name})" in page
    assert "| greedy TER | " in page[: page.index("## Summary")]
    assert " | 0.400 | " in next(line for line in steps_of_data(page) if "G=1 I=2" in line)
    split = finished_run.task.split("test")
    shown = [line.split(" | ") for line in page[page.index("test sentences before and after") :].splitlines()[6:-2]]
    assert len(shown) == min(NUM_EXAMPLES, len(split))
    assert {(cells[0].removeprefix("| "), cells[1]) for cells in shown} <= set(
        zip(split.sources, split.references, strict=True)
    )


def test_learning_curves_go_on_where_the_last_step_ended(finished_run: Experiment[Config]) -> None:
    folder = finished_run.folder
    curves = learning_curves(folder)
    assert list(curves) == ["ReST", *ARMS]
    first, second = (folder.result(f"g1i{i}")[0] for i in (1, 2))
    rest = curves["ReST"]["validation_reward"]
    assert rest == first["curve"] + [[first["train_tokens"] + at, value] for at, value in second["curve"]]
    assert rest[0] == [0, pytest.approx(folder.result("g0i0")[0]["reward"])]
    spent = first["train_tokens"] + second["train_tokens"]
    assert [point[0] for point in curves["ReST"]["greedy_oracle"]] == [0, first["train_tokens"], spent]
    arm = folder.result("control-samples")
    # Of an arm the last policy alone is measured, and both start from the supervised policy.
    assert curves["samples"]["greedy_reward"] == [
        curves["ReST"]["greedy_reward"][0], [arm[0]["train_tokens"], arm[-1]["reward"]]
    ]  # fmt: skip


def test_the_scorer_is_tested_on_what_each_policy_writes() -> None:
    assert _scorer_tests({}) == []
    repeated = {"cases": 5, "falls": 0.8, "mean_fall": 0.25, "effect_size": 1.5}
    negated = {"cases": 0, "falls": None, "mean_fall": None, "effect_size": None}
    *_, shown = _scorer_tests({"g0i0": {"repeated": repeated, "negated": negated}, "g1i1": {"repeated": repeated}})
    assert shown.splitlines()[2:] == [
        "| repeated | 80.0% | 80.0% |", "| negated | - | - |", "| translations, at most | 5 | 5 |"
    ]  # fmt: skip


def test_a_refreshed_scorer_stands_beside_the_first() -> None:
    assert _refreshes([]) == []
    accuracy = {
        "by": "oracle", "sources": 50, "before": 0.7, "after": 0.75, "pairs": 900, "difference": 0.05, "error": 0.01
    }  # fmt: skip
    tests = [{"repeated": {"falls": falls}} for falls in (0.7, 0.8, 0.9)]
    records = [
        {"grow": g, "ratings": 80, "after": "0123456789abcdef", "accuracy": accuracy, "parts": [{"epoch": 3}],
         "unit_tests": {"before": tests[g - 1], "after": tests[g]}}
        for g in (1, 2)
    ]  # fmt: skip
    _, sentences, _, shown = _refreshes(records)
    assert "by the oracle on 900 pairs of samples of 50 sources that it did not learn from: 0.700 before" in sentences
    assert "0.750 after, +0.050 [+0.030, +0.070], `0123456789ab`" in sentences
    assert shown.splitlines()[0] == "| unit test | first scorer | refreshed at Grow 1 | refreshed at Grow 2 |"
    assert shown.splitlines()[-1] == "| repeated | 70.0% | 80.0% | 90.0% |"


@pytest.mark.parametrize(
    ("improve", "kind", "threshold", "kept", "message"),
    [
        (2, "threshold", 0.9, 0.0, "nothing was trained at G=1 I=2: the threshold filter at 0.9 keeps nothing"),
        (1, "threshold", 0.5, 0.4, "the threshold 0.5 of G=1 I=1 is not above the mean reward of its data, 0.600"),
        (1, "threshold", 0.7, 0.4, ""),
        (2, "threshold", 0.5, 0.4, ""),
        (1, "percentile", 50, 0.4, ""),
        (1, "threshold", 0.0, 0.4, "the threshold 0 of G=1 I=1 is not above the mean reward of its data, 0.600"),
        (1, "threshold", None, 1.0, ""),  # an agent that filters nothing
    ],
)
def test_a_filter_that_does_not_do_its_work_is_named(
    improve: int, kind: str, threshold: float | None, kept: float, message: str
) -> None:
    row = {"grow": 1, "improve": improve, "split": "validation", "decode": "sample", "reward": 0.6}
    found = warnings([row | {"threshold": threshold, "kept_fraction": kept, "data_reward": 0.6}], kind)
    assert [message in each for each in found] == ([True] if message else [])


def test_a_model_card_takes_its_numbers_from_the_results(finished_run: Experiment[Config]) -> None:
    text = str(run_evaluation(finished_run.folder.checkpoint("g1i2")))
    parts = ("Improve step 2 of Grow step 1", "| **g1i2** | greedy |", "| control-samples | sample |", "best control")
    for part in parts:
        assert part in text


def test_rewards_of_one_are_no_threshold_that_is_too_low() -> None:
    row = {"grow": 1, "improve": 1, "split": "validation", "decode": "sample", "reward": 0.6}
    assert warnings([row | {"threshold": None, "kept_fraction": 1.0, "data_reward": 1.0}], "threshold") == []
