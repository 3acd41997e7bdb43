"""d3rlpy's networks read what ours read, and what they learn is what our policy says."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import Seq2SeqPolicy, TrainingConfig, make_agent
from agents.d3rlpy_adapter.action_values import ActionHead, with_action_head
from agents.d3rlpy_adapter.encoder import PrefixEncoder, TokenScheduleFactory
from buffers import Slice, to_d3rlpy
from seq2seq_env.constraint import Constraint
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

LENGTHS = {"max_source_length": 12, "max_target_length": 12}


def test_the_encoder_says_of_a_transition_what_the_policy_says_of_the_sequence(
    trained: Seq2SeqPolicy, grown: Slice
) -> None:
    data = grown.where(np.arange(len(grown)) < 6)
    episodes = to_d3rlpy(data, vocab_size=trained.model.config.vocab_size, **LENGTHS).episodes
    encoder = PrefixEncoder(trained.model.base_model, 12)
    observations = torch.from_numpy(np.concatenate([episode.observations for episode in episodes])).float()
    (batch,) = data.batches(10_000, seed=0, shuffle=False)
    with torch.no_grad():
        logits = trained.model.get_submodule("lm_head")(encoder(observations))
        blocked = [trained.tokenizer.pad_id, trained.tokenizer.unk_id]
        logits[:, blocked] = -torch.inf
        expected = trained.token_distributions(batch)
    torch.testing.assert_close(logits.log_softmax(-1), expected, rtol=0, atol=1e-4)


def test_the_observation_after_the_end_is_read_without_nan(trained: Seq2SeqPolicy) -> None:
    with torch.no_grad():
        assert torch.isfinite(PrefixEncoder(trained.model.base_model, 12)(torch.zeros(2, 23))).all()


def test_an_action_head_starts_as_the_policy(trained: Seq2SeqPolicy, tiny_task: Task, tmp_path: Path) -> None:
    sources = tiny_task.split("train").sources[:4]
    targets = [[9, 10, 0], [11, 0], [12, 13, 14, 0], [12, 0]]
    before = trained.log_probs(sources, targets)
    translations = trained.translate(sources)
    trained.model = with_action_head(trained.model, 1.0, None)
    for found, expected in zip(trained.log_probs(sources, targets), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert trained.translate(sources) == translations
    trained.save(tmp_path / "policy")
    loaded = Seq2SeqPolicy.load(tmp_path / "policy")
    assert loaded.fingerprint == trained.fingerprint
    assert loaded.sample(sources, 2, 0.8, 1).texts == trained.sample(sources, 2, 0.8, 1).texts


def test_two_heads_by_hand(trained: Seq2SeqPolicy) -> None:
    model = with_action_head(trained.model, 0.5, 0.3)
    head = model.lm_head
    assert isinstance(head, ActionHead)
    assert head.imitator is not None
    with torch.no_grad():
        for layer, values in ((head.imitator, [0.6, 0.2, 0.15, 0.05]), (head.scores, [0.1, 0.9, 0.4, 0.2])):
            layer.weight.zero_()
            layer.bias.fill_(math.log(1e-9) if layer is head.imitator else 0.0)
            layer.bias[:4] = torch.tensor([math.log(v) for v in values] if layer is head.imitator else values)
        logits = head(torch.zeros(1, model.config.d_model))[0]
    assert logits[:2].tolist() == pytest.approx([0.2, 1.8])  # 0.2 / 0.6 is above 0.3, 0.15 / 0.6 is not
    assert (logits[2:] < -1000).all()


def test_the_learning_rate_is_that_of_our_schedule() -> None:
    config = TrainingConfig(schedule="linear", tokens_per_batch=10, max_tokens=100, warmup_tokens=20)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config.learning_rate)
    schedule = TokenScheduleFactory(vars(config)).create(optimizer)
    for step in range(10):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(config.learning_rate_at(10 * (step + 1)))
        optimizer.step()
        schedule.step()


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
        return float(np.mean([row.sum() for row in agent.policy.log_probs(sources, targets)]))

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
    assert [info["hypothesis"]] == agent.translate([info["source"]])


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


def test_bad_data_and_weights_are_refused(
    trained: Seq2SeqPolicy, grown: Slice, pairs: Slice, quick: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    with pytest.raises(ValueError, match="d3rlpy's agents need a model of marian, bart, mbart, m2m_100, not 't5'"):
        make_agent("d3rlpy-bc", trained).improve(grown, quick)
