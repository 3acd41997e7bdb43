"""One trial: its name, its last weights beside its best, its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents import Seq2SeqPolicy, make_agent
from buffers import GrowingBatchBuffer, Slice, Threshold
from experiments.runs.experiment import Experiment
from experiments.runs.improve_data import DataConfig
from experiments.runs.trials import Trial, network_mib, train
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import COMPARING, POLICY, begin

Begun = tuple[Experiment[Any], Seq2SeqPolicy, Slice]


@pytest.fixture
def begun(finished_run: Experiment[Any], tiny_task: Task, fake_scorer: Any, tmp_path: Path) -> Begun:
    """A comparison that has begun, a finished run's supervised policy, and what that run grew."""
    policy = Seq2SeqPolicy.load(finished_run.folder.checkpoint("g0i0"))
    batch = GrowingBatchBuffer(finished_run.folder.path / "buffer").select()
    return begin(COMPARING, tmp_path / "run", tiny_task, fake_scorer), policy, batch


def test_a_stage_is_named_after_all_that_is_said() -> None:
    assert Trial("bc", "own").stage == "bc.own"
    assert Trial("bc", "own", "mixed-v0", 3e-4).stage == "mixed-v0.bc.own.lr0.0003"
    assert Trial("bc", "own", "mixed-v0", 3e-4, recipe="ssd").stage == "mixed-v0.ssd.own.lr0.0003"


def test_a_learning_rate_of_its_own_and_the_last_weights_are_recorded(begun: Begun) -> None:
    run, policy, batch = begun
    trial = Trial("filtered-bc", "own", "tiny-v0", learning_rate=2e-3, filter="percentile")
    result: Any = train(run, trial, policy, batch, [Threshold(0.2)], with_last=True)
    assert (result["dataset"], result["learning_rate"], result["filter"]) == ("tiny-v0", 2e-3, "percentile")
    (step,) = result["steps"]
    wanted = batch.select(Threshold(0.2)).distinct().num_tokens
    assert abs(step["kept_tokens"] - wanted) < 0.5 * wanted
    assert 0 <= step["filter_value"] < 100
    assert set(step["last"]) <= set(step)
    if step["best_tokens"] == step["tokens"]:
        assert step["last"]["greedy_bleu"] == step["greedy_bleu"]
    assert (run.folder.path / "hypotheses" / "equal-entropy.tiny-v0.filtered-bc.own.percentile.lr0.002.jsonl").is_file()


def test_copies_count_for_agents_whose_weights_correct_for_them(begun: Begun) -> None:
    run, policy, batch = begun
    twice, kept = batch.joined(batch), Threshold(0.2)
    tokens = {}
    for agent in ("iw-sft", "filtered-bc"):
        result: Any = train(run, Trial(agent, "own"), policy, twice, [kept])
        tokens[agent] = result["steps"][0]["kept_tokens"]
    assert tokens == {
        "iw-sft": twice.select(kept).num_tokens,
        "filtered-bc": batch.select(kept).distinct().num_tokens,
    }


@pytest.mark.parametrize("agent", ["bc", "filtered-bc"])
def test_what_narrows_the_data_goes_with_the_filter_of_agents_that_have_one(begun: Begun, agent: str) -> None:
    run, policy, batch = begun
    samples, kept = batch.where(~batch.is_reference), Threshold(0.2)
    narrowing = DataConfig(samples_only=True, most_kept=1)
    result: Any = train(run, Trial(agent, "own"), policy, batch, [kept], narrowing)
    wanted = narrowing.limit(samples.select(kept).distinct() if agent == "filtered-bc" else samples, 1)
    assert result["steps"][0]["kept_tokens"] == wanted.num_tokens < samples.num_tokens


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
