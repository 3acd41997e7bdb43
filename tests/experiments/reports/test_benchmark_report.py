"""The benchmark's cells and page, of results written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.reports.benchmark_cells import chosen_rate, normalised, read_cells, unchosen
from experiments.reports.benchmark_report import write_benchmark
from experiments.reports.benchmark_results import Results
from experiments.runs.run_folder import RunFolder
from experiments.runs.stages import SUPERVISED
from experiments.runs.trials import Trial

CONFIG = {
    "seed": 3,
    "learning_rates": [1e-3, 3e-3],
    "improve": {"max_tokens": 1_000, "tokens_per_batch": 100, "evaluate_every": 500},
}


def seed_run(folder: RunFolder, seed: int) -> RunFolder:
    regime = folder.part("lowres-v1", regime="lowres-v1", task_fingerprint="t", scorer_fingerprint="s")
    return regime.part(f"seed{seed}", run_seed=seed)


def add(folder: RunFolder, seed: int, agent: str, dataset: str, rate: float, greedy: float, validation: float) -> None:
    run = seed_run(folder, seed)
    base = 0.5 if seed == 3 else 0.6
    run.finish(SUPERVISED, [{"split": "test", "decode": decode, "oracle": base} for decode in ("sample", "greedy")])
    last = {"greedy_oracle": greedy - 0.1, "sample_oracle": greedy - 0.2}
    step = {
        "greedy_oracle": greedy, "sample_oracle": greedy - 0.1, "sample_nats": seed / 10, "last": last,
        "network_mib": 4.0, "tokens": 1_000, "seconds": 3.0,
        "best_tokens": 0 if greedy == base else 500, "curve": [[0, 0.1], [1_000, validation]],
    }  # fmt: skip
    trial = Trial(agent, "own", dataset, rate)
    run.finish(trial.stage, {
        "dataset": dataset, "agent": agent, "learning_rate": rate, "seed": seed, "steps": [step],
        "start": f"policy {seed}", "prepare_seconds": 2.0, "prepare_tokens": 70 if agent == "bc" else 0,
        "equal_entropy": {"oracle": 0.7, "nats": 0.35}, "wall_seconds": 12.0, "cpu_seconds": 9.0, "commit": "c" * 40,
    })  # fmt: skip


def add_failure(folder: RunFolder, seed: int, agent: str, why: str) -> None:
    seed_run(folder, seed).finish(f"mixed-v0.{agent}.own.lr0.001", {
        "dataset": "mixed-v0", "agent": agent, "seed": seed, "learning_rate": 1e-3, "start": f"policy {seed}",
        "failed": why, "wall_seconds": 99.0, "cpu_seconds": 99.0, "commit": "c" * 40,
    })  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run", CONFIG, ())
    facts = {"contents": "0", "status": "the published texts of the EPYC", "regime": "lowres-v1"}
    folder.finish("datasets", {"mixed-v0": facts})
    for rate, validation, greedy in ((1e-3, 0.8, 0.75), (3e-3, 0.7, 0.9)):
        add(folder, 3, "bc", "mixed-v0", rate, greedy, validation)
        add(folder, 3, "filtered-bc", "mixed-v0", rate, 0.6, validation)
    add(folder, 4, "bc", "mixed-v0", 1e-3, 0.8, 0.1)
    add(folder, 5, "dpo", "mixed-v0", 1e-3, 0.8, 0.1)
    return folder


def test_scores_are_between_the_supervised_policy_and_right() -> None:
    assert normalised(0.75, 0.5) == 50
    assert normalised(0.4, 0.5) == pytest.approx(-20)
    with pytest.raises(ValueError, match="nothing can be better"):
        normalised(1.0, 1.0)


def test_the_learning_rate_is_chosen_on_validation_not_on_the_score(folder: RunFolder) -> None:
    cells = {cell.agent: cell for cell in read_cells(folder.path, 3)}
    assert set(cells) == {"bc", "filtered-bc"}  # dpo was not tuned
    assert cells["bc"].tried == {1e-3: 0.8, 3e-3: 0.7}
    assert cells["bc"].learning_rate == 1e-3
    assert [run.seed for run in cells["bc"].runs] == [3, 4]
    assert cells["bc"].scores("greedy").tolist() == pytest.approx([50, 50])
    assert cells["bc"].scores("samples, last weights").tolist() == pytest.approx([10, 0])


def test_seeds_at_learning_rates_that_were_not_chosen_are_named(folder: RunFolder) -> None:
    assert unchosen(folder.path, read_cells(folder.path, 3)) == []
    add(folder, 4, "filtered-bc", "mixed-v0", 3e-3, 0.8, 0.1)
    assert unchosen(folder.path, read_cells(folder.path, 3)) == [
        "filtered-bc on mixed-v0, seed 4, is left out: it was trained at learning rate 0.003 and 0.001 is chosen; "
        "train it"
    ]


def test_of_equal_learning_rates_the_lowest_is_chosen_in_whatever_order() -> None:
    assert {chosen_rate(dict.fromkeys(rates, 0.5)) for rates in ((1e-3, 1e-4, 5e-4), (1e-4, 5e-4, 1e-3))} == {1e-4}


def test_the_page_has_every_agent_and_its_cost(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.reports.aggregates.RESAMPLES", 200)
    add_failure(folder, 3, "ipo", "the loss is nan | here")
    page = write_benchmark(Results.of(folder), folder.path)
    assert "| bc | all | 50.0 [50.0, 50.0] | +30.0 (1 seed) | - | 27.5 [-4.3, 59.3] | -10.0 (1 seed) | 0 of 2 |" in page
    assert "| filtered-bc | filtered | 20.0 (1 seed) | - | - | 0.0 (1 seed) | -40.0 (1 seed) | 0 of 1 |" in page
    assert "The published texts of the EPYC. The supervised policies' greedy true quality is 0.550 on" in page
    assert "| bc | 0.001 | 2 | 5 | 12 | 9 | 4 |" in page
    assert "WARNING: seeds without a training: mixed-v0 4 of filtered-bc. Means of these agents" in page
    assert "The lowest learning rate was chosen for bc, filtered-bc.\n" in page
    assert "No learning rate was better" not in page
    assert "NOT MATCHED, and left out there: the supervised policy has less entropy than bc, seed 4.\n" in page
    assert "1,000 gradient tokens of the policy, 100 a batch, and before it 70 of a value network for bc." in page
    assert "Trained at ccccccc." in page
    assert "Over all data sets" not in page  # which is one
    assert page == (folder.path / "benchmark.md").read_text()
    assert "| ipo on mixed-v0, seed 3, learning rate 0.001 | the loss is nan \\| here |" in page
    record: dict[str, Any] = json.loads((folder.path / "benchmark.json").read_text())
    assert list(record["agents"]) == ["bc", "filtered-bc"]
    assert "scores.png" in {path.name for path in folder.path.iterdir()}


def test_several_data_sets_have_their_aggregates(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.reports.aggregates.RESAMPLES", 200)
    facts = {"contents": "0", "status": "the published texts", "regime": "lowres-v1"}
    folder.finish("datasets", {"mixed-v0": facts, "other-v0": facts})
    for seed in (3, 4):
        add(folder, seed, "bc", "other-v0", 1e-3, 0.8, 0.1)
        add(folder, seed, "filtered-bc", "other-v0", 1e-3, 0.7, 0.1)
    page = write_benchmark(Results.of(folder), folder.path)
    aggregates = page.partition("## Over all data sets")[2].partition("## mixed-v0")[0]
    # Of the seeds that have all of an agent's data sets: 50 and 60, 50 and 50.
    assert "| bc | all | 52.5 [20.7, 84.3] | +25.0 (1 seed) | - |" in aggregates
    assert "whole seed is left out at equal entropy: bc.\n" in aggregates
    assert "| bc | 50.0 [50.0, 55.0] |" in aggregates
    assert "| 1.00 | 4 |" in aggregates
    other = page.partition("## other-v0")[2]
    assert "NOT SHOWN that any objective is greedily better than `filtered-bc`.** The best is `bc`, +22.5" in other
    assert "corrected for 1 test; with 2 seeds" in other
    assert (folder.path / "profiles.png").is_file()


def test_who_lacks_a_data_set_heads_no_ranking_over_all(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.reports.aggregates.RESAMPLES", 20)
    facts = {"contents": "0", "status": "the published texts", "regime": "lowres-v1"}
    folder.finish("datasets", {"mixed-v0": facts, "other-v0": facts})
    add(folder, 3, "filtered-bc", "other-v0", 1e-3, 0.7, 0.1)
    page = write_benchmark(Results.of(folder), folder.path)
    top, _, rest = page.partition("## Over all data sets")
    assert "WARNING: not ranked over all data sets, and in no verdict on all of them: `bc` lacks other-v0." in top
    aggregates, _, of_first = rest.partition("## mixed-v0")
    assert "| filtered-bc |" in aggregates
    assert "| bc |" not in aggregates
    assert "| bc | all | 50.0" in of_first
    add(folder, 3, "gold", "third-v0", 1e-3, 0.7, 0.1)
    folder.finish("datasets", {"mixed-v0": facts, "other-v0": facts, "third-v0": facts})
    page = write_benchmark(Results.of(folder), folder.path)  # where nobody has all
    assert "## Over all data sets" not in page
    assert "![" not in page


def test_code_that_was_changed_is_not_called_by_its_commit_alone(folder: RunFolder) -> None:
    (cells, results) = (read_cells(folder.path, 3), Results.of(folder))
    changed = replace(cells[0], runs=(replace(cells[0].runs[0], commit="d" * 40 + "-changed"),))
    page = write_benchmark(replace(results, cells=(changed,)), folder.path)
    assert "Trained at ddddddd-changed." in page


def test_a_seed_that_failed_counts_as_the_policy_that_it_started_from(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.reports.aggregates.RESAMPLES", 200)
    add_failure(folder, 4, "filtered-bc", "the loss is nan")
    (cell,) = (cell for cell in read_cells(folder.path, 3) if cell.agent == "filtered-bc")
    assert [run.failed for run in cell.runs] == [False, True]
    assert cell.scores("greedy").tolist() == pytest.approx([20, 0])
    assert cell.mean("seconds") == 12
    page = write_benchmark(Results.of(folder), folder.path)
    assert "FAILED, and counted as the supervised policy: filtered-bc, seed 4.\n" in page
    assert "| 0 of 2, 1 failed |" in page
    assert "| filtered-bc on mixed-v0, seed 4, learning rate 0.001 | the loss is nan |" in page


def test_who_kept_the_start_is_counted_and_gains_nothing_at_its_entropy(folder: RunFolder) -> None:
    add(folder, 5, "bc", "mixed-v0", 1e-3, 0.6, 0.1)
    (cell,) = (cell for cell in read_cells(folder.path, 3) if cell.agent == "bc")
    assert [run.kept_start for run in cell.runs] == [False, False, True]
    kept = cell.runs[-1]
    assert kept.score("supervised at its entropy") == kept.score("samples") == pytest.approx(-25)
    assert "| 1 of 3 |" in write_benchmark(Results.of(folder), folder.path)


def test_learning_rates_that_are_alike_are_no_edge(folder: RunFolder) -> None:
    for rate in (1e-3, 3e-3):
        add(folder, 3, "bc", "mixed-v0", rate, 0.5, 0.8)
    page = write_benchmark(Results.of(folder), folder.path)
    assert "The lowest learning rate was chosen for filtered-bc.\n" in page
    assert "No learning rate was better than another, so that the lowest was taken, for bc.\n" in page


def test_nothing_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no training of seed 3 is finished in"):
        Results.of(RunFolder(tmp_path / "run", CONFIG, ()))
