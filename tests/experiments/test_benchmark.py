"""The benchmark on a tiny data set: its budgets, what is chosen, and how it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from agents import OffPolicyConfig, Seq2SeqPolicy
from agents.unusable_data import UnusableDataError
from buffers import Best, GrowingBatchBuffer, Threshold
from experiments.benchmark import Benchmark, Config, execute, short
from experiments.command_line.parsing import parse
from experiments.compare_agents import dataset_buffer
from experiments.datasets.making import Dataset
from experiments.datasets.starts import is_shipped, load_start, save_start
from experiments.reports.benchmark_cells import read_cells, read_trainings, row_name
from experiments.reports.benchmark_results import Results
from experiments.runs.dataset_contents import keep_contents
from experiments.runs.run_folder import RunFolder
from experiments.runs.trials import Trial
from seq2seq_env.commands import UsageError
from seq2seq_env.tasks import Task
from tests.experiments.datasets.conftest import dataset, policies
from tests.experiments.tiny_experiment import POLICY, TRAINING

__all__ = ["dataset", "policies"]  # fixtures

TINY = Config(
    agents=("iw-sft",),
    seeds=2,
    learning_rates=(1e-3, 5e-3),
    policy=POLICY,
    supervised=replace(TRAINING, max_tokens=300),
    improve=replace(TRAINING, max_tokens=200, evaluate_every=100),
    off_policy=OffPolicyConfig(fitted_tokens=100),
)


def test_every_agent_is_tuned_on_the_first_seed_and_run_on_all(
    dataset: Dataset, monolingual_task: Task, fake_scorer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run", TINY.recorded(), ())
    keep_contents(folder, {short(dataset): {"contents": "0", "status": "local", "regime": "lowres-v1"}})
    with pytest.raises(ValueError, match=r"has other texts than the one that .* was trained on"):
        keep_contents(folder, {short(dataset): {"contents": "1", "status": "local"}})
    benchmark = Benchmark(TINY, folder)
    for each, seed in benchmark.cells([dataset]):
        benchmark.run(monolingual_task, fake_scorer, each, seed)
    (cell,) = read_cells(folder.path, 0)
    assert (cell.dataset, cell.agent, set(cell.tried)) == (short(dataset), "iw-sft", {1e-3, 5e-3})
    assert [run.seed for run in cell.runs] == [0, 1]
    assert all(200 <= run.tokens <= 200 + TINY.improve.tokens_per_batch for run in cell.runs)
    assert len({result["start"] for result, _ in read_trainings(folder.path)}) == 2
    results = Results.of(folder)
    fingerprints = {"task_fingerprint": monolingual_task.fingerprint, "scorer_fingerprint": fake_scorer.fingerprint}
    assert results.regimes == {"lowres-v1": fingerprints}
    policies = results.policies
    assert [(each.seed, each.learning_rate) for each in policies] == [(0, 1e-3), (0, 5e-3), (1, cell.learning_rate)]
    assert all(1 <= each.effective_samples <= each.samples == 32 for each in policies)
    assert "effective samples of 32" in capsys.readouterr().out
    benchmark.run(monolingual_task, fake_scorer, dataset, 0)
    assert "seed 0" not in capsys.readouterr().out
    with pytest.raises(FileExistsError, match=r"another configuration: scorer_fingerprint was '.*' and is now 'other'"):
        benchmark.run(monolingual_task, Mock(fingerprint="other"), dataset, 0)


def test_seeds_start_from_shipped_policies_of_the_same_options(
    dataset: Dataset, monolingual_task: Task, fake_scorer: Any, policies: Sequence[Seq2SeqPolicy], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    save_start(policies[0], "lowres-v1", 0, tmp_path / "starts")
    shipped = partial(load_start, folder=tmp_path / "starts")
    monkeypatch.setattr("experiments.benchmark.is_shipped", partial(is_shipped, folder=tmp_path / "starts"))
    monkeypatch.setattr("experiments.benchmark.load_start", shipped)
    config = replace(TINY, agents=("bc",), learning_rates=(1e-3,))
    assert not config.takes_shipped("lowres-v1", 0)  # it is of other sizes
    monkeypatch.setattr("experiments.benchmark.PolicyConfig", lambda: TINY.policy)
    monkeypatch.setattr("experiments.benchmark.Settings", lambda: SimpleNamespace(supervised=TINY.supervised))
    assert not replace(config, starts={"lowres-v1": "x"}).takes_shipped("lowres-v1", 0)
    folder = RunFolder(tmp_path / "run", config.recorded(), ())
    for seed in (0, 1):
        Benchmark(config, folder).run(monolingual_task, fake_scorer, dataset, seed)
    starts = {result["seed"]: result["start"] for result, _ in read_trainings(folder.path)}
    known = shipped("lowres-v1", 0, monolingual_task).fingerprint
    assert (starts[0] == known, starts[1] == known) == (True, False)


def test_a_recipe_is_a_row_by_its_own_name(
    dataset: Dataset, monolingual_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    config = replace(TINY, agents=("filtered-bc", "raft", "ssd"), filter_values=(0.1,), learning_rates=(1e-3,))
    folder = RunFolder(tmp_path / "run", config.recorded(), ())
    keep_contents(folder, {short(dataset): {"contents": "0", "status": "local", "regime": "lowres-v1"}})
    for each, seed in (benchmark := Benchmark(config, folder)).cells([dataset]):
        benchmark.run(monolingual_task, fake_scorer, each, seed)
    kept = {row_name(result): result["steps"][0]["kept_tokens"] for result, _ in read_trainings(folder.path)}
    batch = GrowingBatchBuffer(dataset.folder).select()
    samples = batch.where(~batch.is_reference)
    assert kept == {
        "filtered-bc": batch.select(Threshold(0.1)).distinct().num_tokens,
        "raft": samples.select(Best(1)).distinct().num_tokens,
        "ssd": samples.num_tokens,
    }
    results = Results.of(folder)
    assert [cell.agent for cell in results.cells] == ["filtered-bc", "raft", "ssd"]
    assert {each.agent for each in results.policies} == {"filtered-bc", "raft", "ssd"}


def test_the_command_line_names_recipes_among_the_agents() -> None:
    config = parse(Config, ["--agents", "raft", "dqo", "--dpo.beta", "0.3"])
    assert (config.agents, config.agent_options) == (("raft", "dqo"), {"dpo": {"beta": 0.3}})
    with pytest.raises(UsageError, match="recipe 'rft' is no row of the benchmark"):
        parse(Config, ["--agents", "rft"])


def test_a_training_that_fails_is_recorded_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: Any, **__: Any) -> dict[str, Any]:
        raise FloatingPointError("the loss is nan at step 3")

    monkeypatch.setattr("experiments.benchmark.train", failing)
    run: Any = SimpleNamespace(folder=RunFolder(tmp_path / "run", {}, ()), config=SimpleNamespace(seed=0))
    policy: Any = SimpleNamespace(fingerprint="policy 0")
    trial = Trial("iw-sft", "own", "mixed-v0", 1e-3)
    for _ in range(2):
        Benchmark(TINY, run.folder).train(run, trial, policy)
    assert capsys.readouterr().out.count("is left out: the loss is nan at step 3") == 1
    result = run.folder.result(trial.stage)
    assert (result["failed"], result["agent"], result["seed"]) == ("the loss is nan at step 3", "iw-sft", 0)
    assert result["start"] == "policy 0"


@pytest.mark.parametrize(("error", "is_recorded"), [(UnusableDataError("no pairs"), True), (ValueError("mine"), False)])
def test_only_what_is_the_trainings_fault_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ValueError, is_recorded: bool
) -> None:
    monkeypatch.setattr("experiments.benchmark.train", Mock(side_effect=error))
    run: Any = SimpleNamespace(folder=RunFolder(tmp_path / "run", {}, ()), config=SimpleNamespace(seed=0))
    trial, policy = Trial("dpo", "own", "mixed-v0", 1e-3), Mock(fingerprint="policy 0")
    with nullcontext() if is_recorded else pytest.raises(ValueError, match="mine"):
        Benchmark(TINY, run.folder).train(run, trial, policy)
    assert run.folder.has(trial.stage) == is_recorded


def test_a_value_network_of_a_training_before_is_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reused = {"wall_seconds": 100.0, "cpu_seconds": 50.0}
    monkeypatch.setattr("experiments.benchmark.train", Mock(return_value={"reused": reused}))
    run: Any = SimpleNamespace(folder=RunFolder(tmp_path / "run", {}, ()), config=SimpleNamespace(seed=0))
    trial = Trial("iql", "own", "mixed-v0", 1e-3)
    Benchmark(TINY, run.folder).train(run, trial, Mock())
    result = run.folder.result(trial.stage)
    assert (result["wall_seconds"] >= 100, result["cpu_seconds"] >= 50) == (True, True)


@pytest.mark.parametrize(("name", "is_warned"), [("c" * 40, False), ("c" * 40 + "-changed", True), ("unknown", True)])
def test_a_commit_that_nobody_has_is_warned_of_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, is_warned: bool
) -> None:
    monkeypatch.setattr("experiments.benchmark.commit", lambda: name)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        execute(replace(TINY, out=tmp_path))
    assert (f"WARNING: the commit is '{name}', and rest benchmark check" in capsys.readouterr().out) == is_warned


def test_a_data_set_of_another_regime_is_refused(dataset: Dataset) -> None:
    run: Any = SimpleNamespace(task=SimpleNamespace(regime="noisy-v1"))
    with pytest.raises(
        ValueError, match="of regime 'lowres-v1', the task of 'noisy-v1'; give --task-options regime low"
    ):
        dataset_buffer(run, dataset)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"learning_rates": ()}, r"learning_rates is \(\); give at least one, all above 0"),
        ({"datasets": ()}, "datasets is empty"),
        ({"starts": {"lowres-v2": "x"}}, "there is no regime 'lowres-v2'; choose one of lowres-v1"),
        ({"starts": {"lowres-v1": "x"}}, "no supervised policy for seed 0 of 'lowres-v1' in 'x'; give as --starts"),
        ({"agents": ("ppo",)}, "agent 'ppo' learns online"),
        ({"agents": ("bc", "rft")}, "recipe 'rft' is no row of the benchmark"),
        ({"agent_options": {"iw-sft": {"eta": 1.0}}}, "agent 'iw-sft' has no option 'eta'"),
    ],
)
def test_bad_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        replace(TINY, **changes).check()


def test_a_part_with_other_texts_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    config = replace(TINY, out=tmp_path / "whole", report_only=True)
    for name, contents in (("whole", "0"), ("part", "1")):
        folder = RunFolder(tmp_path / name, config.recorded(), ())
        keep_contents(folder, {"a-v0": {"contents": contents, "status": "local"}})
        folder.close()
    (tmp_path / "part/lowres-v1/seed0/stages").mkdir(parents=True)
    for file in ("config.json", "stages/bc.json"):
        (tmp_path / "part/lowres-v1/seed0" / file).write_text("{}")
    with pytest.raises(ValueError, match="data set 'a-v0' has other texts"):
        execute(replace(config, merge=(tmp_path / "part",)))
    assert not (tmp_path / "whole/lowres-v1").exists()


def test_another_policy_than_the_one_begun_with_is_refused(tiny_task: Task, tmp_path: Path) -> None:
    one, other = (Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, seed=seed) for seed in range(2))
    one.save(tmp_path / "checkpoints/g0i0")
    benchmark = Benchmark(TINY, RunFolder(tmp_path / "run", {}, ()))
    benchmark.check_start(one, tmp_path)
    benchmark.check_start(other, None)
    with pytest.raises(ValueError, match=r"run' was begun with another; leave out --starts, or choose another --out"):
        benchmark.check_start(other, tmp_path)
