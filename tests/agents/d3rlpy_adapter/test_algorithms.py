"""d3rlpy's networks read what ours read, and what they learn is what our policy says."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy, TrainingConfig, make_agent
from buffers import Slice
from seq2seq_env.constraint import Constraint
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


def test_a_constraint_that_d3rlpy_cannot_keep_is_refused(
    trained: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    agent = make_agent("d3rlpy-bc", trained.constrained(Constraint(prefix=(2,))))
    with pytest.raises(ValueError, match="cannot keep to a constraint"):
        agent.improve(grown, quick)


@pytest.mark.parametrize("name", ["d3rlpy-bc", "d3rlpy-cql", "d3rlpy-bcq"])
def test_d3rlpy_learns_from_the_better_half(
    name: str,
    trained: Seq2SeqPolicy,
    grown: Slice,
    quick: TrainingConfig,
    tiny_task: Task,
    fake_scorer: Scorer,
) -> None:
    upper = grown.where(grown.rewards > 0.5)
    sources, targets = [], []
    for batch in upper.batches(10_000, seed=0, shuffle=False):
        for source, mask, target, kept in zip(
            batch.source, batch.source_mask, batch.target, batch.target_mask, strict=True
        ):
            sources.append(trained.tokenizer.decode([source[mask].tolist()])[0])
            targets.append(target[kept].tolist())

    def likelihood() -> float:
        return float(np.mean([row.sum() for row in agent.policy.log_probs(agent.policy.encode(sources), targets)]))

    options = {} if name == "d3rlpy-bc" else {"target_update_interval": 5}
    agent = make_agent(name, trained, **options)
    before = likelihood()
    state = random.getstate(), torch.get_rng_state().tolist()
    report = agent.improve(upper, replace(quick, max_tokens=2_000, evaluate_every=1_000, learning_rate=3e-3))
    assert state == (random.getstate(), torch.get_rng_state().tolist())
    if name == "d3rlpy-bcq":  # its likelihood is that of values, which say less of the data than an imitator does
        assert report.history[-1].loss is not None
        assert report.history[-1].loss < (report.history[1].loss or 0.0)
    else:
        assert likelihood() > before + 0.1
    assert [row.tokens for row in report.history] == [0, 992, 1984]
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer)
    observation, info = env.reset(options={"source_index": 4})
    done = False
    while not done:
        observation, _, terminated, truncated, info = env.step(np.int64(agent.act(observation)))
        done = terminated or truncated
    assert [info["hypothesis"]] == agent.translate([info["source_text"]])


def test_the_best_weights_are_kept(trained: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    agent = make_agent("d3rlpy-bc", trained)
    scores = iter([0.1, 0.9, 0.5])
    prints = []

    def evaluate(policy: Seq2SeqPolicy) -> float:
        prints.append(policy.fingerprint)
        return next(scores)

    report = agent.improve(grown, replace(quick, max_tokens=200, evaluate_every=100), evaluate)
    assert (report.best_evaluation, report.best_tokens) == (0.9, 96)
    assert agent.policy.fingerprint == prints[1]


@pytest.mark.parametrize("name", ["d3rlpy-bc", "d3rlpy-bcq"])
def test_a_start_that_was_never_beaten_is_back(
    name: str, trained: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig
) -> None:
    agent, before = make_agent(name, trained), trained.fingerprint
    scores = iter([0.9, 0.5, 0.5])
    report = agent.improve(grown, replace(quick, max_tokens=200, evaluate_every=100), lambda policy: next(scores))
    assert (report.best_evaluation, report.best_tokens) == (0.9, 0)
    assert agent.policy.fingerprint == before


def test_after_an_error_the_best_policy_so_far_is_back(
    trained: Seq2SeqPolicy, grown: Slice, pairs: Slice, quick: TrainingConfig
) -> None:
    agent, model, before = make_agent("d3rlpy-cql", trained), trained.model, trained.fingerprint
    with pytest.raises(ValueError, match="d3rlpy needs rewards"):
        agent.improve(pairs, quick)
    assert agent.policy.model is model
    prints: list[str] = []

    def evaluate(policy: Seq2SeqPolicy) -> float:
        prints.append(policy.fingerprint)
        if len(prints) == stop:
            raise KeyboardInterrupt
        return len(prints)

    for stop in (2, 3):
        prints.clear()
        with pytest.raises(KeyboardInterrupt):
            agent.improve(grown, replace(quick, max_tokens=300, evaluate_every=100), evaluate)
        assert agent.policy.fingerprint == prints[stop - 2]
    assert agent.policy.fingerprint != before


def test_bad_data_and_weights_are_refused(
    trained: Seq2SeqPolicy, grown: Slice, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="agent 'd3rlpy-bc' trains without noise on its sources; leave source_drop"):
        make_agent("d3rlpy-bc", trained.clone()).improve(grown, replace(quick, source_drop=0.1))
    with pytest.raises(ValueError, match="d3rlpy needs rewards"):
        make_agent("d3rlpy-cql", trained.clone()).improve(pairs, quick)
    with pytest.raises(ValueError, match="the slice is empty"):
        make_agent("d3rlpy-bc", trained.clone()).improve(grown.where(grown.rewards > 2), quick)
    agent = make_agent("d3rlpy-bc", trained)
    with torch.no_grad():
        agent.policy.model.get_parameter("model.shared.weight")[9].fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="are back in place, lower the learning rate"):
        agent.improve(grown, quick)
    monkeypatch.setattr(trained.model.config, "model_type", "t5")
    with pytest.raises(
        ValueError,
        match="a head of action values needs a model of marian, bart, mbart, m2m_100, llama, qwen2, not 't5'",
    ):
        make_agent("d3rlpy-bc", trained).improve(grown, quick)
