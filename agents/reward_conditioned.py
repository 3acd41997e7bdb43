"""Reward-conditioned policy: a token of the reward before the target, and the best one's when it translates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.losses import weighted_nll
from agents.policy.reward_tokens import first_reward_token, with_reward_tokens
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy.teacher_forcing import Evaluation, Pairs
from agents.training.training_config import TrainingConfig
from agents.unusable_data import UnusableDataError
from buffers import Slice, TokenBatch


@dataclass(frozen=True)
class RewardConditionedConfig(AgentConfig):
    """The symbols of the equation.

    Raises:
        ValueError: If a value is out of range.
    """

    buckets: int = 5
    """Number K of quantiles of the data's rewards, each with a token of its own, at least 2; Quark takes 5."""

    def __post_init__(self) -> None:
        if self.buckets < 2:
            raise ValueError(f"buckets is {self.buckets}; give at least 2, or there is nothing to condition on")


class RewardConditionedLoss(NamedTuple):
    """What :meth:`RewardConditioned.loss` returns, each float32 []."""

    loss: Tensor
    """Negative log-likelihood per target token, nats."""
    best_share: Tensor
    """Share of the batch's targets in the best bucket."""


class RewardConditioned(LossAgent):
    """Behaviour cloning given the reward, and translation given the best reward there was.

    ``L(theta) = -1/M sum_(x,y) sum_t log pi_theta(y_t | x, k(R(x, y)), y_<t)``, ``k`` the quantile of the reward

    The decoder starts with the token of ``k`` in place of its own first one, and with the best quantile's whenever the
    policy is used. Bad samples teach what bad ones look like, so nothing is filtered. The quantiles are those of
    the Improve step's data. Lu et al. 2022 (Quark), arXiv 2205.13636, without its KL penalty and with one token for
    whole sequences; Chen et al. 2021 (decision transformer), arXiv 2106.01345, with a reward at the end alone.
    """

    name: ClassVar[str] = "reward-conditioned"
    filters: ClassVar[bool] = False
    shards: ClassVar[bool] = False
    adapts: ClassVar[bool] = False  # which would leave the embeddings of its tokens alike
    Config: ClassVar[type[AgentConfig]] = RewardConditionedConfig
    config: RewardConditionedConfig

    def __init__(self, policy: Seq2SeqPolicy, config: AgentConfig | None = None) -> None:
        super().__init__(policy, config)
        self.policy = with_reward_tokens(policy, self.config.buckets)

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """The quantiles are those of the data.

        Raises:
            ValueError: If a reward is missing, or all are equal.
        """
        check_scored(self.name, data)
        kept: Any = self.policy.model.config  # so that a saved agent has them
        above = data.rewards[data.rewards > data.rewards.min()]
        if not len(above):
            raise UnusableDataError(
                f"agent {self.name!r} learns what better rewards look like, and all {len(data)} trajectories have "
                f"{data.rewards[0]:g}; give it data whose rewards differ, or choose another agent"
            )
        edges = np.quantile(data.rewards, np.linspace(0, 1, self.config.buckets + 1)[1:-1])
        # Where many share the lowest reward it is a quantile itself, and would share a bucket with all above it.
        kept.reward_edges = np.maximum(edges, above.min()).tolist()
        yield

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> RewardConditionedLoss:
        """The equation above."""
        kept: Any = self.policy.model.config
        edges = batch.reward.new_tensor(kept.reward_edges)  # [K-1]
        bucket = torch.bucketize(batch.reward, edges, right=True)  # [B]
        rows = [torch.nonzero(bucket == number)[:, 0] for number in range(self.config.buckets)]
        parts = [(number, batch.rows(each)) for number, each in enumerate(rows) if len(each)]
        log_prob = torch.cat([self._log_prob(number, part) for number, part in parts])  # [B,T]
        mask = torch.cat([part.target_mask for _, part in parts])  # [B,T]
        loss = weighted_nll(log_prob, torch.ones_like(log_prob), mask)
        return RewardConditionedLoss(loss, (bucket == self.config.buckets - 1).float().mean())

    def _log_prob(self, bucket: int, batch: TokenBatch) -> Tensor:
        """float32 [B,T], ``log pi(y_t | x, k, y_<t)`` of targets of one bucket."""
        policy: Any = self.policy
        start = (first_reward_token(policy.model) + bucket, *policy.start[1:])
        pairs = Pairs(batch.source, batch.source_mask, batch.target, batch.target_mask, start)
        return Evaluation(policy.model, pairs, policy.allowed_tokens()).log_prob
