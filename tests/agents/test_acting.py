"""Agents as players: one episode or many, greedily or by the sampler's own draws."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents import AGENTS, BC, Seq2SeqPolicy, make_agent
from agents.policy.generation import random_stream
from seq2seq_env import Seq2SeqTranslateVectorEnv
from seq2seq_env.env import Seq2SeqTranslateEnv
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task


def test_an_agent_finishes_an_episode_as_it_translates(
    tiny_task: Task, fake_scorer: Scorer, trained: Seq2SeqPolicy
) -> None:
    for name in sorted(AGENTS):
        agent = make_agent(name, trained.clone())
        env = Seq2SeqTranslateEnv(tiny_task, fake_scorer)
        observation, info = env.reset(options={"source_index": 4})
        done = False
        while not done:
            action = agent.act(observation)
            assert info["action_mask"][action]
            observation, _, terminated, truncated, info = env.step(np.int64(action))
            done = terminated or truncated
        assert [info["hypothesis"]] == agent.translate([info["source_text"]])


def test_sampled_actions_are_those_of_the_sampler(tiny_task: Task, fake_scorer: Scorer, trained: Seq2SeqPolicy) -> None:
    source = tiny_task.split("train").sources[7]
    samples = trained.sample(trained.encode([source]), 1, 1.3, seed=4)
    env: gym.Env[Any, Any] = Seq2SeqTranslateEnv(tiny_task, fake_scorer)
    observation, _ = env.reset(options={"source": source})
    rng, actions, done = random_stream(4, 0), [], False
    while not done:
        actions.append(BC(trained).act(observation, temperature=1.3, rng=rng))
        observation, _, terminated, truncated, _ = env.step(np.int64(actions[-1]))
        done = terminated or truncated
    assert actions == samples.tokens.tolist()


def test_one_call_acts_in_many_episodes(tiny_task: Task, fake_scorer: Scorer, trained: Seq2SeqPolicy) -> None:
    agent = BC(trained)
    envs = Seq2SeqTranslateVectorEnv(5, "SameStep", task=tiny_task, scorer=fake_scorer)
    observations, infos = envs.reset(options={"source_index": range(5)})
    written: list[str | None] = [None] * 5
    while None in written:
        actions = agent.act(observations, action_mask=infos["action_mask"])
        assert actions.shape == (5,)
        observations, _, terminations, truncations, infos = envs.step(actions)
        for i in np.flatnonzero(terminations | truncations):
            if written[i] is None:
                written[i] = infos["final_info"]["hypothesis"][i]
    assert written == agent.translate(tiny_task.split("train").sources[:5])


def test_an_episode_at_its_limit_can_be_acted_on(tiny_task: Task, fake_scorer: Scorer, policy: Seq2SeqPolicy) -> None:
    envs = Seq2SeqTranslateVectorEnv(8, task=tiny_task, scorer=fake_scorer)
    observations, _ = envs.reset(seed=0)
    agent, truncated = BC(policy), 0
    for _ in range(30):
        observations, _, _, truncations, _ = envs.step(agent.act(observations))
        truncated += int(truncations.sum())
    assert truncated > 0
    with pytest.raises(ValueError, match="a prefix has 12 tokens; give fewer than 12"):
        policy.next_token_scores([[2, 0]], [[2] * 12])


def test_an_action_mask_narrows_what_is_chosen(tiny_task: Task, fake_scorer: Scorer, trained: Seq2SeqPolicy) -> None:
    env = Seq2SeqTranslateEnv(tiny_task, fake_scorer)
    observation, info = env.reset(options={"source_index": 4, "target_prefix": "dog"})
    [dog] = tiny_task.tokenizer.encode(["dog"])[0][:-1]
    assert BC(trained).act(observation) != dog
    assert BC(trained).act(observation, action_mask=info["action_mask"]) == dog
    rng = np.random.default_rng(0)
    assert BC(trained).act(observation, action_mask=info["action_mask"], temperature=1.0, rng=rng) == dog
    with pytest.raises(ValueError, match="action_mask allows no token"):
        BC(trained).act(observation, action_mask=np.zeros(19, dtype=np.int8))


def test_many_episodes_are_acted_in_at_once_each_by_its_own_number(policy: Seq2SeqPolicy) -> None:
    observation = {
        "source": np.array([[5, 6, 0], [7, 0, 0], [5, 6, 0]]),
        "source_length": np.array([3, 2, 3]),
        "prefix": np.zeros((3, 12), dtype=np.int64),
        "prefix_length": np.array([0, 0, 0]),
    }
    agent, rng = BC(policy), random_stream(3, 0)
    actions = agent.act(observation, temperature=2.0, rng=rng)
    assert isinstance(actions, np.ndarray)
    assert actions.shape == (3,)
    again = random_stream(3, 0)
    for row in range(3):
        one = {name: values[row] for name, values in observation.items()}
        assert agent.act(one, temperature=2.0, rng=again) == actions[row]


def test_a_rollout_is_what_the_sampler_writes(tiny_task: Task, fake_scorer: Scorer, policy: Seq2SeqPolicy) -> None:
    """The same tokens have the same log-probabilities, ends and rewards in the environment."""
    sources = tiny_task.split("train").sources
    samples = policy.sample(policy.encode(sources), 1, 0.9, seed=2)
    targets = [samples.tokens[low:high] for low, high in pairwise(samples.offsets)]
    size = len(sources)
    envs = Seq2SeqTranslateVectorEnv(size, "NextStep", task=tiny_task, scorer=fake_scorer)
    observations, _ = envs.reset(options={"source_index": range(size)})
    ended = np.zeros(size, dtype=np.bool_)
    for step in range(12):
        distributions = torch.log_softmax(_scores(policy, observations, 0.9), -1)
        actions = np.array([target[min(step, len(target) - 1)] for target in targets])
        live = np.flatnonzero(~ended)
        chosen = distributions[live, actions[live]].numpy()
        expected = samples.log_prob[samples.offsets[live] + step]
        np.testing.assert_allclose(chosen, expected, atol=2e-5)
        observations, rewards, terminations, truncations, infos = envs.step(np.where(ended, 2, actions))
        over = (terminations | truncations) & ~ended
        np.testing.assert_array_equal(np.flatnonzero(over), [i for i in live if len(targets[i]) == step + 1])
        np.testing.assert_array_equal(terminations[over], samples.terminated[over])
        texts = [samples.texts[i] for i in np.flatnonzero(over)]
        assert infos["hypothesis"][over].tolist() == texts
        if texts:
            wanted = fake_scorer.score([sources[i] for i in np.flatnonzero(over)], texts)
            np.testing.assert_array_equal(rewards[over], wanted)
        ended |= over
    assert ended.all()
    assert {True, False} == set(samples.terminated.tolist())


def _scores(policy: Seq2SeqPolicy, observations: dict[str, Any], temperature: float) -> torch.Tensor:
    source, prefix = (
        [row[:length].tolist() for row, length in zip(observations[key], np.ravel(lengths), strict=True)]
        for key, lengths in ((key, observations[f"{key}_length"]) for key in ("source", "prefix"))
    )
    return policy.next_token_scores(source, prefix, temperature)


def test_a_temperature_without_a_generator_is_refused(policy: Seq2SeqPolicy) -> None:
    observation = {
        "source": np.array([2, 0]),
        "source_length": np.array([2]),
        "prefix": np.array([18]),
        "prefix_length": np.array([0]),
    }
    with pytest.raises(ValueError, match="temperature and rng belong together"):
        BC(policy).act(observation, temperature=1.0)
