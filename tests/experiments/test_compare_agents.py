"""A comparison of agents: its trainings, what they leave, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import LoRA, Seq2SeqPolicy, make_agent
from buffers import GrowingBatchBuffer, Slice
from experiments.compare_agents import BASELINE, Config, Trial, compare, network_mib, report, trials
from experiments.runs.experiment import Experiment
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
    found: dict[str, Any] = json.loads((run.folder.path / "comparison.json").read_text())
    return found


def test_trials_are_every_agent_on_its_own_data_and_on_the_filtered_slice() -> None:
    assert trials(replace(COMPARING, seeds=1)) == [
        Trial("bc", "own", 0),
        Trial("filtered-bc", "own", 0),
        Trial("dpo", "own", 0),
        Trial("dpo", "filtered", 0),
    ]
    assert [trial.stage for trial in trials(replace(COMPARING, agents=("awr",), seeds=2))] == [
        "awr.own.seed0", "awr.filtered.seed0", "awr.own.seed1", "awr.filtered.seed1",
    ]  # fmt: skip


def test_every_agent_has_a_row_with_its_interval_and_its_budget(compared: Experiment[Config]) -> None:
    found = results(compared)
    assert list(found["agents"]) == ["bc", "filtered-bc", "dpo", "dpo (filtered data)"]
    for row in found["agents"].values():
        mean, low, high, _ = row["reward"]
        assert low <= mean <= high
        assert 300 <= row["tokens"] <= 300 + COMPARING.improve.tokens_per_batch
        assert 0 <= row["reward_p"] <= 1
        assert row["judge"] == row["reward"]
        assert row["seeds"] == 2
    assert list(found["same_data"]) == ["dpo (filtered data)"]
    assert [claim["number"] for claim in found["claims"]] == ["2", "3", "4", "7", "7", "10"]
    assert {"bars.png", "reward_oracle.png", "reward_judge.png", "curves.png", "comparison.md"} <= {
        path.name for path in compared.folder.path.iterdir()
    }


def test_equal_translations_have_no_significant_difference_of_bleu(compared: Experiment[Config]) -> None:
    base = compared.folder.result(BASELINE)["greedy_texts"]
    for trial in ("bc", "filtered-bc"):
        texts = [compared.folder.result(f"{trial}.own.seed{seed}")["steps"][0]["greedy_texts"] for seed in range(2)]
        if all(text == base for text in texts):
            assert results(compared)["agents"][trial]["bleu_p"] == 1.0


def test_a_policy_has_no_divergence_from_itself(compared: Experiment[Config]) -> None:
    assert compared.folder.result(BASELINE)["kl"] == pytest.approx(0, abs=1e-4)
    itself = Seq2SeqPolicy.load(compared.folder.checkpoint("g0i0"))
    other = Seq2SeqPolicy.from_config(compared.task.tokenizer, POLICY, seed=1)
    assert compared.evaluator.kl(other, itself, "test") > 0.1


def test_a_comparison_goes_on_to_the_same(compared: Experiment[Config]) -> None:
    stage = trials(COMPARING)[-1].stage
    (before,) = compared.folder.result(stage)["steps"]
    (compared.folder.path / "stages" / f"{stage}.json").unlink()
    compare(compared)
    (after,) = compared.folder.result(stage)["steps"]
    for name in ("rewards", "greedy_texts", "kl", "best_tokens", "curve"):
        assert after[name] == before[name], name


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
    batch = GrowingBatchBuffer(run.folder.path / "buffer").select()
    assert batch.source_index[batch.is_reference].tolist() == list(range(18))
    assert len(batch) == 18 + 24 * config.candidates


def test_memory_is_of_weights_gradients_and_moments(tiny_task: Task) -> None:
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, seed=0)
    pairs = tiny_task.split("train")
    data = Slice.from_pairs(pairs.sources, pairs.references, tiny_task.tokenizer, 12, 12)
    trained = sum(parameter.numel() for parameter in policy.model.parameters()) * 4 / 2**20
    assert network_mib(make_agent("bc", policy)) == pytest.approx(4 * trained)
    # DPO reads a frozen reference policy, too.
    dpo = make_agent("dpo", policy)
    dpo.prepare(data, COMPARING.improve)
    assert network_mib(dpo) == pytest.approx(5 * trained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 1_001}, "seeds is 1001; give 1 to 1000"),
        ({"agents": ()}, "agents is empty"),
        ({"agents": ("dqn",)}, "no agent 'dqn'"),
        ({"filter_values": (10.0, 20.0)}, "filter_values has 2 values"),
        ({"options": {"dpo.eta": 1.0}}, "agent 'dpo' has no option 'eta'"),
        ({"options": {"eta": 1.0}}, "option 'eta' names no agent"),
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
    ],
)
def test_what_is_not_installed_is_missed_before_anything_is_trained(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ctranslate2", "d3rlpy", "peft"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message):
        replace(COMPARING, **changes).check()
