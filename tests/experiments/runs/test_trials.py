"""One trial: its name, its last weights beside its best, its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from agents import Seq2SeqPolicy, make_agent
from agents.policy.action_values import with_action_head
from buffers import GrowingBatchBuffer, Slice, Threshold
from experiments.runs.experiment import Experiment
from experiments.runs.trials import LastWeights, Trial, network_mib, train
from seq2seq_env.tasks import Task
from tests.experiments.tiny_experiment import COMPARING, POLICY, begin


def test_a_stage_is_named_after_all_that_is_said() -> None:
    assert Trial("bc", "own").stage == "bc.own"
    assert Trial("bc", "own", "mixed-v0", 3e-4).stage == "mixed-v0.bc.own.lr0.0003"


def test_the_last_weights_come_back_for_a_moment(tiny_task: Task) -> None:
    policy = Seq2SeqPolicy.from_config(tiny_task.tokenizer, POLICY, seed=0)
    last = LastWeights(lambda _: 0.5)
    assert last(policy) == 0.5
    seen = policy.fingerprint
    with torch.no_grad():
        next(policy.model.parameters()).add_(1.0)
    best = policy.fingerprint
    with last.of(policy):
        assert policy.fingerprint == seen
    assert policy.fingerprint == best != seen
    # An agent of d3rlpy's trains another network, and puts the policy's own back where it made nothing better.
    own = policy.model
    policy.model = with_action_head(own, 1.0, None)
    last(policy)
    trained, policy.model = policy.model, own
    with last.of(policy):
        assert policy.model is trained
    assert policy.model is own
    assert policy.fingerprint == best


def test_a_learning_rate_of_its_own_and_the_last_weights_are_recorded(
    finished_run: Experiment[Any], tiny_task: Task, fake_scorer: Any, tmp_path: Path
) -> None:
    run = begin(COMPARING, tmp_path / "run", tiny_task, fake_scorer)
    policy = Seq2SeqPolicy.load(finished_run.folder.checkpoint("g0i0"))
    batch = GrowingBatchBuffer(finished_run.folder.path / "buffer").select()
    trial = Trial("filtered-bc", "own", "tiny-v0", learning_rate=2e-3)
    result: Any = train(run, trial, policy, batch, [Threshold(0.2)], with_last=True)
    assert (result["dataset"], result["learning_rate"]) == ("tiny-v0", 2e-3)
    (step,) = result["steps"]
    assert set(step["last"]) <= set(step)
    if step["best_tokens"] == step["tokens"]:
        assert step["last"]["greedy_bleu"] == step["greedy_bleu"]
    assert (run.folder.path / "hypotheses" / "equal-entropy.tiny-v0.filtered-bc.own.lr0.002.jsonl").is_file()


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
