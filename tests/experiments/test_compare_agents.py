"""A comparison of agents: its trainings, what they leave, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from agents import LoRA, Seq2SeqPolicy
from agents.unusable_data import UnusableDataError
from buffers import GrowingBatchBuffer
from experiments.compare_agents import Config, compare, report, seed_folder, trials
from experiments.runs.evaluation import HOTTEST
from experiments.runs.experiment import Experiment
from experiments.runs.run_folder import RunFolder, read_lines
from experiments.runs.trials import Trial
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import COMPARING, POLICY, begin


@pytest.fixture(scope="module")
def compared(tiny_task: Task, fake_scorer: Any, tmp_path_factory: pytest.TempPathFactory) -> Experiment[Config]:
    """A finished comparison, the scorer its own judge."""
    run = begin(COMPARING, tmp_path_factory.mktemp("compared") / "run", tiny_task, fake_scorer, judge=fake_scorer)
    compare(run)
    run.folder.spend(1.0)
    report(run)
    return run


def results(run: Experiment[Config]) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((run.folder.path / "comparison.json").read_text())
    return written


def seeds(run: Experiment[Config]) -> list[RunFolder]:
    return [run.folder.part(seed_folder(seed), seed=seed) for seed in run.config.every_seed]


def policies(run: Experiment[Config]) -> list[Seq2SeqPolicy]:
    return [Seq2SeqPolicy.load(folder.checkpoint("g0i0")) for folder in seeds(run)]


def test_trials_are_every_agent_on_its_own_data_and_on_the_filtered_slice() -> None:
    assert trials(COMPARING) == [
        Trial("bc", "own"),
        Trial("filtered-bc", "own"),
        Trial("dpo", "own"),
        Trial("dpo", "filtered"),
    ]
    assert [trial.stage for trial in trials(replace(COMPARING, agents=("awr",)))] == ["awr.own", "awr.filtered"]
    both = replace(COMPARING, agents=("awr", "filtered-bc"), filters=("threshold", "interpolation"))
    assert [trial.stage for trial in trials(both)][2:] == [
        "filtered-bc.own", "filtered-bc.own.threshold", "filtered-bc.own.interpolation"
    ]  # fmt: skip


def test_a_seed_is_a_whole_run(compared: Experiment[Config]) -> None:
    first, second = policies(compared)
    assert first.fingerprint != second.fingerprint
    batches = [GrowingBatchBuffer(folder.path / "buffer").select(grow_step=1).read() for folder in seeds(compared)]
    samples = [batch.tokens[np.repeat(~batch.is_reference, np.diff(batch.offsets))] for batch in batches]
    assert not np.array_equal(samples[0], samples[1])
    kept = [read_lines(folder.path / "hypotheses" / "bc.own.jsonl") for folder in seeds(compared)]
    assert [row["sample"] for row in kept[0]] != [row["sample"] for row in kept[1]]
    assert (
        [row["source"] for row in kept[0]] == [row["source"] for row in kept[1]] == compared.task.split("test").sources
    )
    assert [folder.config["seed"] for folder in seeds(compared)] == [0, 1]


def test_every_agent_has_a_row_with_its_interval_and_its_budget(compared: Experiment[Config]) -> None:
    written = results(compared)
    assert list(written["agents"]) == ["bc", "filtered-bc", "dpo", "dpo (filtered data)"]
    for row in written["agents"].values():
        mean, low, high, _ = row["greedy_oracle"]
        assert low <= mean <= high
        assert 300 <= row["tokens"] <= 300 + COMPARING.improve.tokens_per_batch
        assert 0 <= row["greedy_reward_p"] <= 1
        assert row["sample_judge"] == row["sample_reward"]
        assert row["seeds"] == 2
    assert list(written["same_data"]) == ["dpo (filtered data)"]
    assert list(written["against_filtered-bc"]) == ["bc", "dpo", "dpo (filtered data)"]
    assert [claim["number"] for claim in written["claims"]] == ["2", "3", "4", "7", "7", "10"]
    assert {"bars.png", "reward_oracle.png", "reward_judge.png", "curves.png", "results.md"} <= {
        path.name for path in compared.folder.path.iterdir()
    }


def test_every_agent_stands_beside_the_supervised_policy_at_its_entropy(compared: Experiment[Config]) -> None:
    for name, row in results(compared)["equal_entropy"].items():
        assert 0 < row["temperature"] <= HOTTEST
        assert row["nats"] == pytest.approx(results(compared)["agents"][name]["sample_nats"], rel=0.15)
    for folder in seeds(compared):
        names = {path.stem for path in (folder.path / "hypotheses").iterdir()}
        stages = {trial.stage for trial in trials(COMPARING)}
        assert names == {"g0i0", *stages, *(f"equal-entropy.{stage}" for stage in stages)}


def test_measures_are_those_of_the_translations(compared: Experiment[Config]) -> None:
    (folder, _) = seeds(compared)
    step, rows = folder.result("dpo.own")["steps"][-1], read_lines(folder.path / "hypotheses" / "dpo.own.jsonl")
    for column in ("greedy_reward", "greedy_oracle", "sample_judge"):
        assert np.mean([row[column] for row in rows]) == pytest.approx(step[column])


def test_a_policy_has_no_divergence_from_itself(compared: Experiment[Config]) -> None:
    itself, _ = policies(compared)
    other = Seq2SeqPolicy.from_config(compared.task.tokenizer, POLICY, seed=1)
    assert compared.evaluator.kl(itself, itself, "test") == pytest.approx(0, abs=1e-4)
    assert compared.evaluator.kl(other, itself, "test") > 0.1


def test_a_comparison_goes_on_to_the_same(compared: Experiment[Config]) -> None:
    stage, (_, folder) = trials(COMPARING)[-1].stage, seeds(compared)
    before, kept = folder.result(stage), read_lines(folder.path / "hypotheses" / f"{stage}.jsonl")
    (folder.path / "stages" / f"{stage}.json").unlink()
    compare(compared)
    after = folder.result(stage)
    assert read_lines(folder.path / "hypotheses" / f"{stage}.jsonl") == kept
    assert after["equal_entropy"] == pytest.approx(before["equal_entropy"])
    for name in ("greedy_bleu", "kl", "best_tokens", "curve"):
        assert after["steps"][0][name] == before["steps"][0][name], name


def test_more_seeds_in_the_same_folder_train_only_what_is_missing(
    compared: Experiment[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    compare(replace(compared, config=replace(COMPARING, agents=("bc",))))
    assert ", own data, seed" not in capsys.readouterr().out


def test_source_only_sentences_stand_beside_all_references(
    monolingual_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    config = replace(COMPARING, agents=("bc", "filtered-bc"), seeds=1, sources=None)
    run = begin(config, tmp_path / "run", monolingual_task, fake_scorer)
    compare(run)
    batch = GrowingBatchBuffer(run.folder.path / seed_folder(0) / "buffer").select()
    assert batch.source_index[batch.is_reference].tolist() == list(range(18))
    assert len(batch) == 18 + 24 * config.candidates


def test_a_start_gives_each_seed_its_policy(
    compared: Experiment[Config], tiny_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    config = replace(COMPARING, agents=("bc",), start=compared.folder.path)
    config.check()
    again = begin(config, tmp_path / "run", tiny_task, fake_scorer)
    compare(again)
    assert [policy.fingerprint for policy in policies(again)] == [each.fingerprint for each in policies(compared)]
    single = replace(config, start=compared.folder.path / "seed1")
    single.check()
    assert single.start_of(0) == single.start_of(1) == single.start
    with pytest.raises(FileNotFoundError, match="no supervised policy for seed 2 in"):
        replace(config, seeds=3).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"start": Path("nowhere")}, "no supervised policy for seed 0 in 'nowhere'; give as --start a run of"),
        ({"agents": ()}, "agents is empty"),
        ({"agents": ("dqn",)}, "no agent 'dqn'"),
        ({"filter_values": (10.0, 20.0)}, "filter_values has 2 values"),
        ({"agent_options": {"dpo": {"eta": 1.0}}}, "agent 'dpo' has no option 'eta'"),
        ({"agent_options": {"dop": {"eta": 1.0}}}, "there is no agent 'dop'; .*; did you mean 'dpo'"),
        ({"runs": (Path("nowhere"),)}, "no results.json in 'nowhere'"),
    ],
)
def test_bad_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        replace(COMPARING, **changes).check()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agents": ("bc", "d3rlpy-bc")}, "agent 'd3rlpy-bc' needs d3rlpy, which is not installed"),
        ({"lora": LoRA(rank=2)}, "--lora.rank needs peft, which is not installed"),
        ({"engine": "ctranslate2"}, "--engine ctranslate2 needs ctranslate2, which is not installed"),
        ({"engine": "vllm"}, "--engine vllm needs vllm, which is not installed; install it .* of its own"),
    ],
)
def test_what_is_not_installed_is_missed_before_anything_is_trained(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ctranslate2", "d3rlpy", "peft", "vllm"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message):
        replace(COMPARING, **changes).check()


@pytest.mark.parametrize(("error", "is_left_out"), [(UnusableDataError("no pairs"), True), (ValueError("mine"), False)])
def test_only_what_is_the_trainings_fault_leaves_an_agent_out(
    compared: Experiment[Config], monkeypatch: pytest.MonkeyPatch, error: ValueError, is_left_out: bool
) -> None:
    monkeypatch.setattr("experiments.compare_agents.train", Mock(side_effect=error))
    more = replace(compared, config=replace(COMPARING, agents=("bc", "awr"), seeds=1))
    with nullcontext() if is_left_out else pytest.raises(ValueError, match="mine"):
        compare(more)


def test_a_data_set_made_anew_in_its_folder_is_refused(
    tiny_task: Task, fake_scorer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(
        "experiments.compare_agents.compare_once", lambda run, dataset: trained.append(dataset.facts["contents"])
    )
    run = begin(replace(COMPARING, dataset="data/mine", seeds=1), tmp_path / "run", tiny_task, fake_scorer)
    for contents in ("a", "a", "b"):
        dataset = Mock(facts={"contents": contents, "status": "own", "regime": "lowres-v1"})
        monkeypatch.setattr("experiments.compare_agents.resolve", Mock(return_value=dataset))
        with (
            nullcontext()
            if contents == "a"
            else pytest.raises(
                ValueError,
                match=r"data set 'data/mine' has other texts than the one that .* was trained on; give that one",
            )
        ):
            compare(run)
    assert trained == ["a", "a"]


class Content:
    """A scorer that likes everything."""

    fingerprint = "content"

    def score(self, sources: Any, hypotheses: Any) -> Any:
        return np.ones(len(sources), dtype=np.float32)


def test_rewards_that_are_all_equal_end_in_a_report_that_says_so(
    tiny_task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agents, quick = ("bc", "filtered-bc", "oac", "dpo"), {"oac": {"value_tokens": 200}}
    config = replace(COMPARING, agents=agents, agent_options=quick, seeds=1)
    run = begin(config, tmp_path / "run", tiny_task, Content())
    compare(run)
    shown = capsys.readouterr().out
    assert "WARNING: the filter keeps nothing to train on; the policy stays as it was" in shown
    assert "WARNING: dpo.own is left out: " in shown
    run.folder.spend(1.0)
    report(run)
    page = (run.folder.path / "results.md").read_text()
    assert "WARNING: the filter kept nothing to train on for filtered-bc" in page
    assert "nan" not in page
    text = (run.folder.path / "comparison.json").read_text()
    assert "NaN" not in text
    claims = {claim["number"]: claim["verdict"] for claim in json.loads(text)["claims"]}
    assert claims["10"] == "not shown"
