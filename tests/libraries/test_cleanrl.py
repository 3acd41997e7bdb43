"""CleanRL: programs with the calls of its ppo.py and dqn.py run with the flat id in place of CartPole's.

CleanRL is scripts, not a library to install; what stands here is short and ours.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions.categorical import Categorical
from torch.nn.functional import mse_loss

pytestmark = pytest.mark.usefixtures("by_id")
NAME = "seq2seq_env:Seq2SeqTranslateFlat-v0"


def environments(size: int) -> Any:
    """The first takes pictures, as with `--capture-video`."""

    def make(row: int) -> Any:
        def thunk() -> gym.Env[Any, Any]:
            env: gym.Env[Any, Any] = gym.make(NAME, render_mode="rgb_array") if row == 0 else gym.make(NAME)
            env = gym.wrappers.RecordEpisodeStatistics(env)
            env.action_space.seed(row)
            return env

        return thunk

    envs: Any = gym.vector.SyncVectorEnv([make(row) for row in range(size)])
    assert isinstance(envs.single_action_space, gym.spaces.Discrete)
    return envs


def network(envs: Any, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(np.array(envs.single_observation_space.shape).prod(), 8), nn.Tanh(), nn.Linear(8, outputs)
    )


def test_a_policy_gradient_program_runs() -> None:
    torch.manual_seed(0)
    envs = environments(4)
    steps = 60
    actor, critic = network(envs, envs.single_action_space.n), network(envs, 1)
    adam = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-3)
    observations = torch.zeros((steps, 4, *envs.single_observation_space.shape))
    actions = torch.zeros((steps, 4, *envs.single_action_space.shape))
    rewards, dones = torch.zeros(steps, 4), torch.zeros(steps, 4)
    observation, done = torch.Tensor(envs.reset(seed=1)[0]), torch.zeros(4)
    for step in range(steps):
        observations[step], dones[step] = observation, done
        with torch.no_grad():
            categorical: Any = Categorical(logits=actor(observation))
            action = categorical.sample()
        actions[step] = action
        seen, reward, terminations, truncations, _ = envs.step(action.numpy())
        assert not truncations.any()
        rewards[step] = torch.tensor(reward).view(-1)
        observation, done = torch.Tensor(seen), torch.Tensor(np.logical_or(terminations, truncations))
    assert dones.any()
    advantages = rewards - critic(observations)[:, :, 0]
    categorical = Categorical(logits=actor(observations))
    chosen = categorical.log_prob(actions.long())
    loss = advantages.pow(2).mean() - (advantages.detach() * chosen).mean()
    adam.zero_grad()
    torch.autograd.backward(loss)
    adam.step()
    assert envs.envs[0].render().shape == (368, 800, 3)
    envs.close()


def test_a_value_program_with_a_replay_memory_runs() -> None:
    torch.manual_seed(0)
    envs = environments(1)
    space, steps = envs.single_observation_space, 120
    values = network(envs, envs.single_action_space.n)
    # the memory has the space's type, and the network reads what it holds as it is
    memory = np.zeros((2, steps, *space.shape), dtype=space.dtype)
    taken, earned, over = np.zeros((steps, 1), dtype=np.int64), np.zeros(steps), np.zeros(steps)
    observation, _ = envs.reset(seed=1)
    for step in range(steps):
        if step % 2:
            action = np.array([envs.single_action_space.sample()])
        else:
            action = torch.argmax(values(torch.Tensor(observation)), dim=1).numpy()
        following, reward, terminations, truncations, infos = envs.step(action)
        for row, truncated in enumerate(truncations):
            if truncated:  # a name that Gymnasium has no longer, so that a truncated episode ends the program
                following[row] = infos["final_observation"][row]
        memory[:, step] = observation[0], following[0]
        taken[step], earned[step], over[step] = action, reward[0], terminations[0]
        observation = following
    assert over.any()
    before, after = torch.tensor(memory)
    best = values(after).max(dim=1)[0].detach()
    targets = torch.tensor(earned, dtype=torch.float32) + best * (1 - torch.tensor(over, dtype=torch.float32))
    loss = mse_loss(targets, values(before).gather(1, torch.tensor(taken)).squeeze())
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    envs.close()
