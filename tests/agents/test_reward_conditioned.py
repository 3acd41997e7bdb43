from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents import BC, Agent, RewardConditioned, RewardConditionedConfig, Seq2SeqPolicy, TrainingConfig
from agents.policy.reward_tokens import with_reward_tokens
from agents.unusable_data import UnusableDataError
from buffers import Slice
from seq2seq_env.tasks.task import Task
from tests.tiny_models import random_policy


def test_the_loss_is_the_likelihood_after_the_rewards_token(policy: Seq2SeqPolicy, grown: Slice) -> None:
    (batch, *_) = grown.batches(10_000, seed=0)
    batch = replace(batch, reward=torch.arange(len(batch)) / len(batch))
    plain = BC(policy.clone()).loss(batch).loss.item()
    agent = RewardConditioned(policy, RewardConditionedConfig(buckets=2))
    with torch.no_grad():
        embedding: Any = agent.policy.model.get_parameter("model.shared.weight")
        assert embedding.shape[0] == 19 + 2
        embedding[19:] = embedding[18]  # the start token: then all buckets are the policy as it was
        assert agent.loss(batch).loss.item() == pytest.approx(plain, abs=1e-5)
        embedding[19] += 1.0  # of the lower half, which the other half does not see
        high = batch.rows(torch.nonzero(batch.reward >= 0.5)[:, 0])
        low = batch.rows(torch.nonzero(batch.reward < 0.5)[:, 0])
        assert agent.loss(high).loss.item() == pytest.approx(BC(agent.policy).loss(high).loss.item(), abs=1e-5)
        assert agent.loss(low).loss.item() != pytest.approx(BC(agent.policy).loss(low).loss.item(), abs=1e-3)
    assert agent.loss(high).best_share.item() == 1.0


def test_a_saved_policy_translates_given_the_best_reward(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, tmp_path: Path
) -> None:
    agent = RewardConditioned(policy, RewardConditionedConfig(buckets=3))
    agent.improve(grown, quick)
    agent.save(tmp_path)
    alone, loaded = Seq2SeqPolicy.load(tmp_path), Agent.load(tmp_path)
    assert alone.start == loaded.policy.start == (19 + 2,)
    assert alone.translate(["rot haus"]) == loaded.translate(["rot haus"]) == agent.translate(["rot haus"])
    with pytest.raises(ValueError, match="the policy has 3 tokens of the reward, not 4; give the option buckets 3"):
        RewardConditioned(alone, RewardConditionedConfig(buckets=4))


def rewarded(grown: Slice, rewards: list[float]) -> Slice:
    """As many trajectories, with these rewards."""
    trajectories = grown.where(np.arange(len(grown)) < len(rewards)).read()
    return Slice.from_trajectories(replace(trajectories, reward=np.array(rewards, dtype=np.float32)), grown.pad_id)


@pytest.mark.parametrize(
    ("rewards", "best"),
    [
        ([0.0] * 17 + [1.0] * 3, 3),  # whose quantiles are 0, 0, 0, 0
        ([0.0] * 10 + [1.0] * 10, 10),  # 0, 0, 1, 1
        ([0.0] * 3 + [1.0] * 17, 17),  # 1, 1, 1, 1
        ([number / 20 for number in range(20)], 4),
    ],
)
def test_the_lowest_reward_is_never_in_the_best_bucket(
    policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig, rewards: list[float], best: int
) -> None:
    data, agent = rewarded(grown, rewards), RewardConditioned(policy)
    (batch,) = data.batches(10_000, seed=0)
    low, high = (batch.rows(torch.nonzero(batch.reward == at)[:, 0]) for at in (0.0, max(rewards)))
    with agent.improving(data, quick), torch.no_grad():
        assert agent.loss(batch).best_share.item() == pytest.approx(best / len(rewards))
        before = agent.loss(low).loss.item()
        first: Any = agent.policy.model.get_parameter("model.shared.weight")
        first[19] += 1.0  # of the lowest bucket, where the lowest reward is
        assert agent.loss(low).loss.item() != pytest.approx(before, abs=1e-3)
        assert agent.loss(high).best_share.item() == 1.0


def test_rewards_that_are_all_equal_are_refused(policy: Seq2SeqPolicy, grown: Slice, quick: TrainingConfig) -> None:
    data = rewarded(grown, [0.25] * 4)
    with pytest.raises(
        UnusableDataError, match=r"and all 4 trajectories have 0\.25; give it data whose rewards differ"
    ):
        RewardConditioned(policy).improve(data, quick)


def check_unchanged(policy: Seq2SeqPolicy, tmp_path: Path) -> None:
    """Before any training a token of the reward changes neither log-probabilities nor what may be read."""
    sources, targets = policy.encode(["eins rot haus"]), policy.tokenizer.encode_targets(["one red house"])
    [before], longest, start = policy.log_probs(sources, targets), policy.max_source_length, policy.start
    conditioned = with_reward_tokens(policy, 3)
    conditioned.save(tmp_path)
    for each in (conditioned, Seq2SeqPolicy.load(tmp_path)):
        np.testing.assert_allclose(each.log_probs(sources, targets)[0], before, rtol=0, atol=1e-5)
        assert each.start == (policy.model.config.vocab_size - 1, *start[1:])
        assert each.max_source_length == longest


@pytest.mark.parametrize("name", ["t5", "t5-v1.1", "mt5"])
def test_an_lm_head_of_its_own_stays_its_own(name: str, tiny_task: Task, tmp_path: Path) -> None:
    policy = random_policy(name, tiny_task.tokenizer)
    check_unchanged(policy, tmp_path)
    model: Any = policy.model
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied == (name == "t5")
    assert policy.model.config.tie_word_embeddings  # as transformers says of all of them


@pytest.mark.parametrize("name", ["mbart", "nllb"])
def test_a_language_code_is_where_it_was(
    name: str, pretrained_folder: Callable[[str], Path], pretrained_task: Callable[[str], Task], tmp_path: Path
) -> None:
    policy = Seq2SeqPolicy.from_pretrained(pretrained_folder(name), pretrained_task(name).tokenizer, 12)
    check_unchanged(policy, tmp_path)
