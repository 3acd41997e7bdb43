"""PPO in one file, on the vector environment and PyTorch alone: a network of its own, and nothing of the agents here.

``python experiments/examples/ppo_in_one_file.py --total-steps 200000`` learns the embedded task from nothing but the
reward, which is slow; it is there to be read. ``experiments/online.py`` trains a supervised policy further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical

import seq2seq_env  # noqa: F401  # registers the environment


@dataclass(frozen=True)
class Args:
    """Options of the training."""

    num_envs: int = 32
    """Episodes side by side."""
    num_steps: int = 64
    """Steps of each between two updates."""
    total_steps: int = 200_000
    """Steps of all episodes together."""
    epochs: int = 4
    """Epochs over each batch of steps."""
    minibatches: int = 8
    """Updates an epoch."""
    learning_rate: float = 1e-3
    """Of Adam."""
    gae_lambda: float = 0.95
    """Lambda of the advantages; the discount is 1."""
    clip: float = 0.2
    """Distance from 1 at which the ratio is clipped."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    width: int = 64
    """Of the network."""
    seed: int = 1
    """Of weights, actions and sources."""


class ActorCritic(nn.Module):
    """Reads the source, then what is written so far; says which token comes next, and what the episode will be worth.

    Args:
        vocab_size: Tokens.
        width: Of embeddings and states.
    """

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.reader, self.writer = (nn.GRU(width, width, batch_first=True) for _ in range(2))
        self.actor, self.critic = nn.Linear(2 * width, vocab_size), nn.Linear(2 * width, 1)

    def forward(self, seen: dict[str, Tensor], mask: Tensor) -> tuple[Categorical, Tensor]:
        """Distribution of the next token, masked (bool [N,V]), and value [N]."""
        rows = torch.arange(len(mask))
        read, _ = self.reader(self.embedding(seen["source"]))  # [N,S,D]
        length = seen["source_length"][:, 0]
        begin = read[rows, length - 1]  # [N,D]
        # The state before the first token is the reader's last.
        written, _ = self.writer(self.embedding(seen["prefix"]), begin[None].contiguous())
        states = torch.cat([begin[:, None], written], dim=1)[rows, seen["prefix_length"][:, 0]]  # [N,D]
        scores = (read @ states[:, :, None])[:, :, 0]  # [N,S]
        attention = scores.masked_fill(torch.arange(read.shape[1]) >= length[:, None], -torch.inf).softmax(-1)
        features = torch.cat([states, (attention[:, None] @ read)[:, 0]], dim=-1)
        return Categorical(logits=self.actor(features).masked_fill(~mask, -1e9)), self.critic(features)[:, 0]


def tensors(observation: dict[str, NDArray[np.int64]]) -> dict[str, Tensor]:
    """An observation as the network reads it."""
    return {name: torch.from_numpy(np.array(values)) for name, values in observation.items()}


def train(args: Args, **arguments: Any) -> list[float]:
    """Mean reward of the episodes that ended in each batch of steps; ``arguments`` are the environment's."""
    torch.manual_seed(args.seed)
    envs: Any = gym.make_vec(
        "Seq2SeqTranslate-v0",
        num_envs=args.num_envs,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
        **arguments,
    )
    network = ActorCritic(int(envs.single_action_space.n), args.width)
    adam = torch.optim.Adam(network.parameters(), lr=args.learning_rate, eps=1e-5)
    observation, infos = envs.reset(seed=args.seed)
    curve = []
    for update in range(args.total_steps // (args.num_envs * args.num_steps)):
        seen: list[dict[str, Tensor]] = []
        masks, actions, log_probs, values, rewards, alive = (list[Tensor]() for _ in range(6))
        ended: list[float] = []
        for _ in range(args.num_steps):
            seen.append(tensors(observation))
            masks.append(torch.from_numpy(np.array(infos["action_mask"], dtype=np.bool_)))
            with torch.no_grad():
                policy, value = network(seen[-1], masks[-1])
                action = policy.sample()
            observation, reward, terminations, truncations, infos = envs.step(action.numpy())
            done = terminations | truncations  # the limit is the task's: what is cut there is scored, and over
            actions.append(action)
            log_probs.append(policy.log_prob(action))
            values.append(value)
            rewards.append(torch.tensor(reward, dtype=torch.float32))
            alive.append(torch.from_numpy(~done).float())
            ended += reward[done].tolist()

        with torch.no_grad():
            _, following = network(tensors(observation), torch.ones_like(masks[-1]))
        advantages: list[Tensor] = []
        advantage = torch.zeros(args.num_envs)
        for step in reversed(range(args.num_steps)):
            delta = rewards[step] + alive[step] * following - values[step]
            advantage = delta + args.gae_lambda * alive[step] * advantage
            following = values[step]
            advantages.insert(0, advantage)

        batch = {name: torch.cat([each[name] for each in seen]) for name in seen[0]}
        mask, taken, old = torch.cat(masks), torch.cat(actions), torch.cat(log_probs)
        gain = torch.cat(advantages)
        target = gain + torch.cat(values)
        for _ in range(args.epochs):
            for rows in torch.randperm(len(taken)).chunk(args.minibatches):
                policy, value = network({name: each[rows] for name, each in batch.items()}, mask[rows])
                ratio = (policy.log_prob(taken[rows]) - old[rows]).exp()
                weight = (gain[rows] - gain[rows].mean()) / (gain[rows].std() + 1e-8)
                surrogate = torch.minimum(ratio * weight, ratio.clamp(1 - args.clip, 1 + args.clip) * weight).mean()
                loss = 0.5 * ((target[rows] - value) ** 2).mean() - surrogate - args.entropy * policy.entropy().mean()
                adam.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), 0.5)
                adam.step()
        curve.append(float(np.mean(ended)) if ended else 0.0)
        print(f"{(update + 1) * args.num_envs * args.num_steps} steps, mean reward {curve[-1]:.3f}")
    envs.close()
    return curve


if __name__ == "__main__":
    train(tyro.cli(Args, description=__doc__))
