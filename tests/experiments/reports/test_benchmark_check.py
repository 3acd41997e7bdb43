"""Defects of contributed results, one sentence each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.reports.benchmark_check import Rules, defects
from experiments.reports.benchmark_results import Results
from tests.experiments.reports.benchmark_files import DATASET, RULES, record, run

Spoil = Callable[[dict[str, Any]], object]


def found(tmp_path: Path, spoil: Spoil, rules: Rules = RULES) -> list[str]:
    """The defects of a file that was right before."""
    spoiled = json.loads(json.dumps(record()))
    spoil(spoiled)
    file = tmp_path / "benchmark.json"
    file.write_text(json.dumps(spoiled))  # which writes NaN, as anybody's program may
    return defects(Results.read(file), rules)


def cell(record: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = record["cells"][0]
    return result


def renamed(name: str) -> Spoil:
    def spoil(record: dict[str, Any]) -> None:
        record["datasets"] = {name: record["datasets"][DATASET]}
        cell(record)["dataset"] = name

    return spoil


def test_what_keeps_to_the_rules_has_no_defect(tmp_path: Path) -> None:
    assert found(tmp_path, lambda record: None) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (renamed("phrasebook-lowres-mixed-v2"), "is of a version that is not published; train on phrasebook-lowres-mi"),
        (renamed("phrasebook-lowres-mixed-local-v1"), "is a local one, with other texts or numbers than the publi"),
        (renamed("wmt-v0"), "there is no data set 'wmt-v0'; the published ones are phrasebook-lowres-mixed-v1"),
        (lambda record: record["datasets"][DATASET].update(contents="b" * 64), "checksum bbbbbbbbbbbb, the published "),
        (lambda record: record["datasets"].clear(), "has no checksum; take it from the data set's manifest"),
        (lambda record: cell(record)["runs"].pop(), "bc on phrasebook-lowres-mixed-v1 lacks seed 1 of 2; train it"),
        (lambda record: cell(record)["runs"].append(run(7)), "has seed 7, and the table has 0 to 1; leave it out"),
        (lambda record: cell(record)["runs"].append(run(1)), "has a seed twice; keep one run of each"),
        (lambda record: cell(record)["runs"][1].update(tokens=2_000), "trained on 2,000 tokens, and the budget is 1,0"),
        (lambda record: cell(record)["runs"][1]["quality"].update(greedy=float("nan")), "seed 1: 'greedy' is NaN; mea"),
        (lambda record: cell(record)["runs"][0].update(base=None), "seed 0: 'base' is NaN; measure it again"),
        (lambda record: cell(record)["runs"][0]["quality"].update(samples=80), "'samples' is 80, and true quality is "),
        (lambda record: cell(record)["runs"][0].update(commit="c" * 40 + "-changed"), "by which nobody can repeat it"),
        (lambda record: cell(record)["tried"].pop("0.003"), "rates 0.001, and the table's grid is 0.001, 0.003; train"),
        (lambda record: cell(record).update(agent="mine"), "there is no agent 'mine'; add its file and its line in"),
        (lambda record: cell(record)["runs"][1].update(failed=True), "seed 1, failed, and left_out has no reason"),
        (lambda record: record["config"]["improve"].update(max_tokens=1_040), "setting improve.max_tokens is 1040, no"),
        (lambda record: record["config"].update(bc={"x": 1}), "setting bc.x is 1, not None, as the table has it"),
        (lambda record: record["cells"].clear(), "it has no training; give a file with some"),
    ],
)  # fmt: skip
def test_each_defect_is_one_sentence(tmp_path: Path, spoil: Spoil, message: str) -> None:
    (defect,) = found(tmp_path, spoil, replace(RULES, datasets=()))
    assert message in defect
    assert "\n" not in defect


def test_an_agent_is_trained_on_all_data_sets_of_the_table_that_it_can(tmp_path: Path) -> None:
    rules = replace(RULES, datasets=(DATASET, "other-v0"))
    assert found(tmp_path, lambda record: None, rules) == [
        "bc lacks data set 'other-v0', which is in the table; train on it, too"
    ]
    failures = {f"bc on other-v0, seed 0, learning rate {rate}": "there are no pairs" for rate in ("0.001", "0.003")}
    assert found(tmp_path, lambda record: record.update(left_out=failures), rules) == []
    del failures["bc on other-v0, seed 0, learning rate 0.003"]  # at which it may have been trained
    assert len(found(tmp_path, lambda record: record.update(left_out=failures), rules)) == 1


def test_a_seed_that_failed_lacks_nothing_where_the_reason_is_told(tmp_path: Path) -> None:
    def spoil(record: dict[str, Any]) -> None:
        cell(record)["runs"][1].update(failed=True, tokens=0)
        record["left_out"] = {f"bc on {DATASET}, seed 1, learning rate 0.001": "the loss is nan"}

    assert found(tmp_path, spoil) == []


def test_agents_of_one_seed_start_from_one_policy(tmp_path: Path) -> None:
    def spoil(record: dict[str, Any]) -> None:
        record["cells"].append(cell(record) | {"agent": "filtered-bc", "runs": [run(0), run(1) | {"base": 0.6}]})

    (defect,) = found(tmp_path, spoil)
    assert "has another supervised policy of seed 1 on" in defect
    assert "(true quality 0.6000, not 0.5000)" in defect


def test_all_defects_are_told_at_once(tmp_path: Path) -> None:
    def spoil(record: dict[str, Any]) -> None:
        cell(record)["runs"].pop()
        cell(record)["runs"][0].update(tokens=10, commit="unknown")

    assert len(found(tmp_path, spoil)) == 3
