"""The online loop: what it draws, what it counts, where it stops, and how it goes on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents import BC, PPO, OnPolicy, PPOConfig, RolloutConfig, Seq2SeqPolicy, TrainingConfig, make_agent
from agents.on_policy import _rows
from agents.policy.generation import uniforms
from buffers import Slice, TokenBatch
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

ONLINE = ("ppo", "rloo", "grpo", "mad")
ROLLOUTS = RolloutConfig(sources=6, candidates=3, temperature=0.9, seed=5)
TRAINING = TrainingConfig(
    learning_rate=3e-3,
    schedule="constant",
    tokens_per_batch=64,
    max_tokens=1_000,
    warmup_tokens=0,
    evaluate_every=250,
    progress=False,
)


class Counting:
    """A scorer that remembers how many it was asked for."""

    fingerprint = "counting-1"

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.calls = scorer, list[int]()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(len(sources))
        return self.scorer.score(sources, hypotheses)


def loop(name: str, policy: Seq2SeqPolicy, task: Task, scorer: Scorer, **changes: Any) -> OnPolicy:
    return OnPolicy(make_agent(name, policy), task.split("train").sources, scorer, replace(ROLLOUTS, **changes))


def test_samples_are_drawn_scored_and_kept_together(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer
) -> None:
    scorer = Counting(fake_scorer)
    data = loop("rloo", trained, tiny_task, scorer).rollout(0)
    assert scorer.calls == [18]
    assert len(data) == 18
    assert data.source_index.tolist() == [row for row in np.unique(data.source_index) for _ in range(3)]
    (batch,) = data.batches(10_000, seed=0, shuffle=False)
    torch.testing.assert_close(batch.temperature, torch.full((18,), 0.9))
    sources = tiny_task.split("train").sources
    rows = [row[mask].tolist() for row, mask in zip(batch.target, batch.target_mask, strict=True)]
    texts = tiny_task.tokenizer.decode(rows)
    asked = [sources[row] for row in data.source_index]
    np.testing.assert_array_equal(data.rewards, fake_scorer.score(asked, texts))


def test_a_pass_draws_every_source_once() -> None:
    first, second = ([_rows(number, 6, 24, 5).tolist() for number in range(start, start + 4)] for start in (0, 4))
    for drawn in (first, second):
        assert sorted(row for rows in drawn for row in rows) == list(range(24))
    assert first != second
    assert len({tuple(_rows(number, 5, 24, 5)) for number in range(8)}) == 8  # 4 are left over, and the pass ends


def test_rollouts_are_those_of_the_vector_environment(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer
) -> None:
    """Stepping with the policy gives the loop's samples: tokens, log-probabilities, ends and rewards."""
    learner = loop("ppo", trained, tiny_task, fake_scorer, candidates=1)
    data = learner.rollout(0)
    (batch,) = data.batches(10_000, seed=0, shuffle=False)
    rows, length = data.source_index, tiny_task.max_target_length
    seed = int(np.random.SeedSequence((5, 0)).generate_state(1, np.uint64)[0])
    numbers = _Columns(np.concatenate([uniforms(seed, i, 1, length) for i in range(6)]))
    envs: Any = gym.make_vec("Seq2SeqTranslate-v0", num_envs=6, task=tiny_task, scorer=fake_scorer)
    observations, infos = envs.reset(options={"source_index": rows})
    ended, reward = np.zeros(6, dtype=np.bool_), np.zeros(6, dtype=np.float32)
    for step in range(batch.target.shape[1]):
        mask = infos["action_mask"]
        actions = learner.agent.act(observations, action_mask=mask, temperature=0.9, rng=numbers)  # type: ignore[arg-type]
        live = np.flatnonzero(~ended)
        np.testing.assert_array_equal(actions[live], batch.target[live, step])
        log_prob = _log_prob(trained, observations, actions, 0.9)
        np.testing.assert_allclose(log_prob[live], batch.log_prob[live, step], atol=2e-5)
        observations, rewards, terminations, truncations, infos = envs.step(actions)
        over = (terminations | truncations) & ~ended
        reward[over] = rewards[over]
        np.testing.assert_array_equal(terminations[over], data.terminated[over])
        np.testing.assert_array_equal(data.target_lengths[over], step + 1)
        ended |= over
    assert ended.all()
    np.testing.assert_array_equal(reward, data.rewards)


def test_greedy_tokens_are_those_of_the_vector_environment(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer
) -> None:
    sources = tiny_task.split("train").sources[:8]
    envs: Any = gym.make_vec("Seq2SeqTranslate-v0", num_envs=8, task=tiny_task, scorer=fake_scorer)
    observations, _ = envs.reset(options={"source_index": np.arange(8)})
    written: list[list[int]] = [[] for _ in range(8)]
    ended = np.zeros(8, dtype=np.bool_)
    while not ended.all():
        actions = BC(trained).act(observations)
        for row in np.flatnonzero(~ended):
            written[row].append(int(actions[row]))
        observations, _, terminations, truncations, _ = envs.step(actions)
        ended |= terminations | truncations
    end = tiny_task.tokenizer.eos_id
    for tokens, expected in zip(written, trained.likeliest_tokens(sources), strict=True):
        assert tokens == expected[: [*expected, end].index(end) + 1]


def test_a_value_network_learns_at_a_rate_of_its_own(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer
) -> None:
    once = replace(TRAINING, learning_rate=1e-4, weight_decay=0.0, tokens_per_batch=10_000, max_tokens=1)
    moved = []
    for rate in (1.0, 10.0):
        agent = make_agent("ppo", trained.clone(), value_rate=rate)
        OnPolicy(agent, tiny_task.split("train").sources, fake_scorer, ROLLOUTS).improve(once)
        value: Any = agent.networks["value"]
        body = value.body.state_dict()
        far = max(float((weight - body[name]).abs().max()) for name, weight in _body(trained).items() if name in body)
        moved.append((agent.policy.fingerprint, far))
    (slow_policy, slow), (fast_policy, fast) = moved
    assert slow_policy == fast_policy
    assert fast == pytest.approx(10 * slow, rel=1e-3)  # the first step of Adam is of the learning rate's length


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_prior_is_asked_once_for_each_sample(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    agent = PPO(trained, PPOConfig(epochs=epochs))
    asked, drawn = list[int](), list[Slice]()
    evaluate = agent.prior.evaluate
    learner = OnPolicy(agent, tiny_task.split("train").sources, fake_scorer, replace(ROLLOUTS, max_samples=36))
    rollouts = learner._rollouts

    def evaluated(batch: TokenBatch, temperature: float) -> Any:
        asked.append(len(batch))
        return evaluate(batch, temperature)

    def rolled_out(number: int) -> Slice:
        drawn.append(rollouts(number))
        return drawn[-1]

    monkeypatch.setattr(agent.prior, "evaluate", evaluated)
    monkeypatch.setattr(learner, "_rollouts", rolled_out)
    learner.improve(replace(TRAINING, max_tokens=100_000))
    assert learner.samples == 36
    distinct = sum(len(np.unique(data.firsts())) for data in drawn)
    assert sum(asked) == (36 if epochs == 1 else distinct)
    (batch,) = drawn[-1].batches(10_000, seed=0)
    agent.loss(batch)
    assert asked[-1] == 18  # behind the training nothing is kept


class _Columns:
    """One random number a row, column after column: the sampler's, in the place of a generator."""

    def __init__(self, numbers: NDArray[np.float64]) -> None:
        self._columns = iter(numbers.T)

    def random(self, size: int, dtype: type) -> NDArray[np.float64]:
        column: NDArray[np.float64] = next(self._columns)
        assert len(column) == size
        return column.astype(dtype)


def _body(policy: Seq2SeqPolicy) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = policy.model.base_model.state_dict()
    return weights


def _log_prob(
    policy: Seq2SeqPolicy, observations: dict[str, Any], actions: NDArray[np.int64], temperature: float
) -> NDArray[np.float32]:
    source, prefix = (
        [row[:length].tolist() for row, length in zip(observations[key], np.ravel(lengths), strict=True)]
        for key, lengths in ((key, observations[f"{key}_length"]) for key in ("source", "prefix"))
    )
    scores = policy.next_token_scores(source, [row[:11] for row in prefix], temperature)
    chosen: NDArray[np.float32] = torch.log_softmax(scores, -1)[torch.arange(len(actions)), actions].numpy()
    return chosen


@pytest.mark.parametrize("name", ONLINE)
def test_it_is_scored_once_a_batch_and_goes_on_bit_by_bit_after_a_kill(
    name: str, trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, tmp_path: Path
) -> None:
    scorer = Counting(fake_scorer)
    whole = loop(name, trained.clone(), tiny_task, scorer)
    report = whole.improve(TRAINING)
    assert report.tokens >= 1_000
    assert whole.samples == 18 * len(scorer.calls)
    assert set(scorer.calls) == {18}

    def stop(metric: str, value: float, tokens: int) -> None:
        if tokens >= 500:
            raise KeyboardInterrupt

    state = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        loop(name, trained.clone(), tiny_task, fake_scorer).improve(TRAINING, None, stop, state)
    again = loop(name, trained.clone(), tiny_task, fake_scorer)
    assert again.improve(TRAINING, resume=state).tokens == report.tokens
    assert again.agent.policy.fingerprint == whole.agent.policy.fingerprint != trained.fingerprint
    assert again.samples == whole.samples


@pytest.mark.parametrize(
    ("name", "killed_at"), [("ppo", 120), ("ppo", 180), ("ppo", 300), ("ppo", 540), ("rloo", 180), ("grpo", 180)]
)
def test_behind_a_kill_the_prior_is_asked_in_the_batches_of_before(
    name: str, killed_at: int, trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer, tmp_path: Path
) -> None:
    """Of a large network, what it says of a row is rounded as the batch's other rows have it; here it is 1e-3 off."""
    training = replace(TRAINING, max_tokens=800, evaluate_every=60)

    def learner() -> OnPolicy:
        agent: Any = make_agent(name, trained.clone(), epochs=3)
        evaluate = agent.prior.evaluate

        def rounded(batch: TokenBatch, temperature: float) -> Any:
            return SimpleNamespace(log_prob=evaluate(batch, temperature).log_prob + 1e-3 * (int(batch.row.sum()) % 7))

        agent.prior.evaluate = rounded
        return OnPolicy(agent, tiny_task.split("train").sources, fake_scorer, ROLLOUTS)

    def stop(metric: str, value: float, tokens: int) -> None:
        if tokens >= killed_at:
            raise KeyboardInterrupt

    whole, again, state = learner(), learner(), tmp_path / "state.safetensors"
    whole.improve(training)
    with pytest.raises(KeyboardInterrupt):
        learner().improve(training, None, stop, state)
    again.improve(training, resume=state)
    assert again.agent.policy.fingerprint == whole.agent.policy.fingerprint
    assert whole.samples > 18


def test_it_ends_when_the_samples_are_spent(trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer) -> None:
    learner = loop("grpo", trained, tiny_task, fake_scorer, max_samples=60)
    report = learner.improve(replace(TRAINING, max_tokens=10**6))
    assert learner.samples == 54
    assert 0 < report.tokens < 54 * 12
    assert not report.stopped_early
    assert [row.metrics["reward"] for row in report.history[1:]]


def test_epochs_go_through_the_same_samples_again(trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer) -> None:
    learner = OnPolicy(make_agent("ppo", trained, epochs=3), tiny_task.split("train").sources, fake_scorer, ROLLOUTS)
    batches = list(learner.batches(learner.rollout(0), 64, seed=1))
    rows = torch.cat([batch.row for batch in batches])
    assert torch.bincount(rows).tolist() == [3] * 18
    assert learner.samples == 18


def test_the_best_weights_are_kept(trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer) -> None:
    before, values = trained.fingerprint, iter([0.9, *[0.1] * 9])
    report = loop("mad", trained, tiny_task, fake_scorer).improve(replace(TRAINING, patience=2), lambda: next(values))
    assert report.stopped_early
    assert trained.fingerprint == before


def test_what_cannot_be_meant_is_refused(trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer) -> None:
    sources = tiny_task.split("train").sources
    with pytest.raises(ValueError, match="agent 'bc' learns from stored trajectories; use its improve"):
        OnPolicy(BC(trained), sources, fake_scorer, ROLLOUTS)
    with pytest.raises(ValueError, match="a batch has 6 sources, and there are 5 to draw from"):
        OnPolicy(make_agent("ppo", trained), sources[:5], fake_scorer, ROLLOUTS)
    with pytest.raises(ValueError, match="agent 'ppo' has its samples scored as they are drawn, and there is no sc"):
        OnPolicy(make_agent("ppo", trained), sources, None, ROLLOUTS)
    with pytest.raises(ValueError, match="max_samples is 17, less than one batch of 6 sources with 3 candidates"):
        replace(ROLLOUTS, max_samples=17)
    with pytest.raises(ValueError, match="candidates is 0; give a number above 0"):
        RolloutConfig(candidates=0)
    with pytest.raises(ValueError, match="agent 'rloo' trains without noise on its sources; leave source_drop, sour"):
        loop("rloo", trained, tiny_task, fake_scorer).improve(replace(TRAINING, source_shuffle=3))
    one = loop("rloo", trained, tiny_task, fake_scorer, candidates=1)
    with pytest.raises(ValueError, match="agent 'rloo' compares a source's candidates, and the sources have 1 to 1"):
        one.improve(TRAINING)


def test_a_slice_in_memory_records_its_temperature(
    trained: Seq2SeqPolicy, tiny_task: Task, fake_scorer: Scorer
) -> None:
    data = loop("ppo", trained, tiny_task, fake_scorer).rollout(0)
    (known,) = data.batches(10_000, seed=0)
    (unknown,) = Slice.from_trajectories(data.read(), data.pad_id).batches(10_000, seed=0)
    assert not torch.isnan(known.temperature).any()
    assert torch.isnan(unknown.temperature).all()
