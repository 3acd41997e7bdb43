"""Files of results: read as they were written, and joined."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from experiments.reports.benchmark_report import write_benchmark
from experiments.reports.benchmark_results import FILE, Results, merged, repeated
from seq2seq_env.atomic_files import write_json
from tests.experiments.reports.benchmark_files import CONFIG, DATASET, record, run


def results(folder: Path, **changes: Any) -> Results:
    file = folder / "some.json"
    file.write_text(json.dumps(record() | changes))
    return Results.read(file)


def test_a_page_of_several_machines_has_all_of_their_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.reports.aggregates.RESAMPLES", 20)
    one, other = results(tmp_path), results(tmp_path, **record("filtered-bc", 0.9))
    whole = merged({"one": one, "other": other})
    page = write_benchmark(whole, tmp_path / "table")
    assert "| filtered-bc | filtered | 80.0 [80.0, 80.0] |" in page
    assert "| bc | all | 60.0 [60.0, 60.0] |" in page
    assert Results.read(tmp_path / "table" / FILE) == whole
    assert merged({"one": whole, "again": whole}) == whole


def test_runs_of_one_cell_are_joined(tmp_path: Path) -> None:
    cells = record()["cells"]
    parts = {str(seed): results(tmp_path, cells=[cells[0] | {"runs": [run(seed)]}]) for seed in (1, 0)}
    (cell,) = merged(parts).cells
    assert [each.seed for each in cell.runs] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": CONFIG | {"seed": 1}}, "'other' does not go with 'one': seed is 1, not 0; merge results of one"),
        (
            {"datasets": {DATASET: {"contents": "b", "status": "", "regime": ""}}},
            f"'other' has other texts of data set '{DATASET}'",
        ),
        (
            {"regimes": {"lowres-v1": {"task_fingerprint": "t", "scorer_fingerprint": "x"}}},
            r"'other' is of another task or scorer in 'lowres-v1' \(scorer_fingerprint is 'x', not 's'\); train again",
        ),
        (
            {"cells": [record("dpo")["cells"][0] | {"runs": [run(0) | {"start": "x"}]}]},
            "'other' has another supervised policy of seed 0 on",
        ),
        (
            {"cells": [record()["cells"][0] | {"tried": {"0.003": 0.9}, "runs": [run(2)]}]},
            "'other' chose learning rate 0.003 for bc on",
        ),
        (
            {"datasets": {}, "cells": [record()["cells"][0] | {"dataset": "phrasebook-lowres-mixed-v0"}]},
            "'phrasebook-lowres-mixed-v0' and 'phrasebook-lowres-mixed-v1' are versions of one data set, which would c",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        merged({"one": results(tmp_path), "other": results(tmp_path, **changes)})


def test_of_a_run_that_two_have_the_first_counts_and_the_other_is_told(tmp_path: Path) -> None:
    own = record("dpo")
    theirs = [record()["cells"][0] | {"tried": {"0.003": 0.9}, "runs": [run(0, 0.7), run(1, 0.81)]}]
    policies = [each | {"learning_rate": 3e-3, "reward": 0.1} for each in record()["policies"]] + own["policies"]
    failures = {f"{agent} on {DATASET}, seed 0, learning rate 0.001": "the loss is nan" for agent in ("bc", "dpo")}
    whole = results(tmp_path)
    mine = results(tmp_path, cells=[*theirs, *own["cells"]], policies=policies, left_out=failures)
    joined = merged({"whole": whole, "mine": mine})
    assert [cell.agent for cell in joined.cells] == ["bc", "dpo"]
    assert joined.cells[0] == whole.cells[0]
    assert [(each.agent, each.learning_rate) for each in joined.policies] == [
        (a, 1e-3) for a in ("bc", "bc", "dpo", "dpo")
    ]
    assert list(joined.left_out or {}) == [f"dpo on {DATASET}, seed 0, learning rate 0.001"]
    assert repeated({"whole": whole, "mine": mine}) == [
        "mine: left out, as a file before has the same: bc (2 runs); their greedy true quality differs by 0.1000 at "
        f"most, of bc on {DATASET}, seed 0"
    ]
    assert repeated({"whole": whole}) == []


def test_what_machines_say_otherwise_of_a_data_set_is_told_of_each(tmp_path: Path) -> None:
    facts = record()["datasets"][DATASET]
    parts = {each: results(tmp_path, datasets={DATASET: facts | {"status": each}}) for each in ("b", "a")}
    whole = merged(parts)
    assert whole.datasets[DATASET]["status"] == "a; on another machine: b"
    assert merged(dict(reversed(parts.items()))).datasets == whole.datasets
    assert merged({"whole": whole, **parts}).datasets == whole.datasets


def test_another_data_set_may_start_from_other_policies(tmp_path: Path) -> None:
    other = record() | {"datasets": {"other-v0": {"contents": "b", "status": "", "regime": "lowres-v1"}}}
    other["cells"] = [other["cells"][0] | {"dataset": "other-v0", "runs": [run(0) | {"start": "x", "base": 0.4}]}]
    parts = {"one": results(tmp_path), "other": results(tmp_path, **other)}
    assert [cell.dataset for cell in merged(parts).cells] == sorted([DATASET, "other-v0"])


def test_one_policy_may_translate_a_sentence_otherwise_on_another_processor(tmp_path: Path) -> None:
    parts = {
        str(base): results(tmp_path, cells=[record(name)["cells"][0] | {"runs": [run(0) | {"base": base}]}])
        for base, name in ((0.5, "bc"), (0.503, "dpo"))
    }
    assert [cell.runs[0].base for cell in merged(parts).cells] == [0.5, 0.503]


def test_texts_of_all_parts_are_compared(tmp_path: Path) -> None:
    texts = {name: {DATASET: {"contents": name, "status": "", "regime": ""}} for name in ("b", "c")}
    parts = {name: results(tmp_path, datasets=texts.get(name, {})) for name in ("a", "b", "c")}
    with pytest.raises(ValueError, match="'c' has other texts of data set"):
        merged(parts)


def test_an_estimate_that_is_no_number_is_none_again(tmp_path: Path) -> None:
    policies = [each | {"estimates": {"fitted Q": None}} for each in record()["policies"]]
    read = results(tmp_path, policies=policies)
    assert all(math.isnan(each.estimates["fitted Q"]) for each in read.policies)
    write_json(tmp_path / "again.json", read.record())
    assert Results.read(tmp_path / "again.json") == read


@pytest.mark.parametrize("text", ["[]", "{}", '{"config": {}, "datasets": {}, "cells": [{}], "policies": []}', "{"])
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"holds no results of the benchmark \(|is corrupt \("):
        Results.read(tmp_path / "other.json")
