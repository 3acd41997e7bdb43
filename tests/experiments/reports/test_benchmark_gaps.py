"""Who is ranked over all data sets, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

from experiments.reports.benchmark_cells import Cell
from experiments.reports.benchmark_gaps import gaps, ranked
from tests.experiments.reports.test_benchmark_verdict import cell


def test_a_table_without_gaps_has_no_warning() -> None:
    by_agent = {agent: [cell(agent, [0.7, 0.8], name) for name in ("a-v0", "b-v0")] for agent in ("bc", "gold")}
    assert ranked(by_agent) == by_agent
    assert gaps(by_agent) == []


def test_who_lacks_a_data_set_is_not_ranked_and_named() -> None:
    by_agent = {
        "bc": [cell("bc", [0.6, 0.6], "a-v0"), cell("bc", [0.6, 0.6], "b-v0")],
        "raft": [cell("raft", [0.9, 0.9], "a-v0")],
    }
    assert list(ranked(by_agent)) == ["bc"]
    assert gaps(by_agent) == [
        "WARNING: not ranked over all data sets, and in no verdict on all of them: `raft` lacks b-v0."
    ]


def test_seeds_that_an_agent_lacks_are_named_by_data_set() -> None:
    by_agent: dict[str, list[Cell]] = {
        agent: [cell(agent, [0.7, 0.8, 0.9], "a-v0"), cell(agent, [0.7], "b-v0")] for agent in ("bc", "gold")
    }
    (warning,) = gaps(by_agent)
    assert warning.startswith("WARNING: seeds without a training: b-v0 1, 2 of bc, gold. Means of these")
    first, second = by_agent["gold"]
    by_agent["gold"] = [first, replace(second, runs=tuple(replace(run, seed=7) for run in second.runs))]
    assert list(ranked(by_agent)) == ["bc"]
    assert "all of them: `gold` lacks a seed with all of them." in gaps(by_agent)[0]
