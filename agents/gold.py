"""GOLD: off-policy policy gradient on demonstrations, rewarded by how likely a supervised model finds them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.losses import future_sums, weighted_nll
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy.teacher_forcing import padded
from agents.training.training_config import TrainingConfig
from buffers import Slice, TokenBatch

GoldReward = Literal["log-probability", "probability", "sequence"]


@dataclass(frozen=True)
class GOLDConfig(AgentConfig):
    """The symbols of GOLD's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    reward: GoldReward = "log-probability"
    """Reward that ``Q_t`` sums: log-probabilities of the MLE model (GOLD-p of arXiv 2009.07839), its probabilities
    (GOLD-s), or the sequence's learned reward alone."""
    k: int = 5
    """Tokens that ``Q_t`` looks ahead, its own included, at least 1 (A.8.2)."""
    u: float = 0.2
    """Lower clamp of the importance weight ``pi(a_t|s_t)`` (the published code's)."""
    p_min: float = 0.1
    """Lower clamp of the MLE model's probabilities (the published code's)."""
    baseline: float | None = None
    """Baseline ``b`` that is subtracted from ``Q_t``; by default -10 for log-probabilities (the published code's), 0
    otherwise."""

    def __post_init__(self) -> None:
        if self.reward not in get_args(GoldReward):
            raise ValueError(f"there is no reward {self.reward!r}; choose one of {', '.join(get_args(GoldReward))}")
        if self.k < 1:
            raise ValueError(f"k is {self.k}; give at least 1")
        for name in ("u", "p_min"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a probability")
        if self.reward == "log-probability" and self.p_min == 0:
            raise ValueError(f"p_min is {self.p_min}; give a probability above 0, whose logarithm is finite")

    @property
    def b(self) -> float:
        """The baseline."""
        if self.baseline is not None:
            return self.baseline
        return -10.0 if self.reward == "log-probability" else 0.0


class GOLDLoss(NamedTuple):
    """What :meth:`GOLD.loss` returns, each float32 []."""

    loss: Tensor
    """The objective per target token."""
    importance_weight: Tensor
    """Mean of ``max(pi, u)``."""
    q: Tensor
    """Mean of ``Q_t - b``."""


class GOLD(LossAgent):
    """Generation by off-policy learning from demonstrations.

    ``L(theta) = -1/M sum_(x,y) sum_t max(pi(a_t|s_t), u) (Q_t - b) log pi_theta(a_t|s_t)``, the weight without gradient

    ``Q_t = sum_{i=t}^{t+k-1} log max(p_MLE(a_i|s_i), p_min)``

    ``p_MLE`` is the policy as it was when the agent was made; its probabilities are computed once for each distinct
    pair of source and target, and kept. The weight approximates ``pi / mu`` with a uniform ``mu`` over the
    demonstrations. Pang and He 2021, arXiv 2009.07839, section 3; Gulcehre et al. 2023, arXiv 2308.08998, A.8.2.
    """

    name: ClassVar[str] = "gold"
    filters: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = GOLDConfig
    config: GOLDConfig

    def __init__(self, policy: Seq2SeqPolicy, config: AgentConfig | None = None) -> None:
        super().__init__(policy, config)
        self._kept: _TokenValues | None = None
        self._active: _TokenValues | None = None  # what is kept, while an Improve step on it runs

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """What the MLE model says of a trajectory is kept for later epochs and Improve steps."""
        if self.config.reward == "sequence":
            check_scored(self.name, data)
        if self._kept is None or not self._kept.data.shares_storage(data):
            self._kept = _TokenValues(data)
        self._kept.share(data)
        self._active = self._kept
        try:
            yield
        finally:
            self._active = None

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> GOLDLoss:
        """The equations above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        weight = log_prob.detach().exp().clamp(min=self.config.u)  # [B,T]
        advantage = self.q(batch) - self.config.b  # [B,T]
        return GOLDLoss(
            loss=weighted_nll(log_prob, weight * advantage, mask),
            importance_weight=weight[mask].mean(),
            q=advantage[mask].mean(),
        )

    def q(self, batch: TokenBatch) -> Tensor:
        """``Q_t``, float32 [B,T], 0 at padding."""
        mask, options = batch.target_mask, self.config
        if options.reward == "sequence":
            return batch.reward[:, None].expand(mask.shape).masked_fill(~mask, 0.0)
        log_mle = self._log_mle(batch).clamp(min=math.log(options.p_min) if options.p_min else -torch.inf)
        return future_sums(log_mle if options.reward == "log-probability" else log_mle.exp(), mask, options.k)

    @torch.no_grad()
    def _log_mle(self, batch: TokenBatch) -> Tensor:
        if self._active is None:
            return self.prior.evaluate(batch).log_prob
        missing = self._active.missing(batch)
        if len(missing):
            part = batch.rows(missing)
            self._active.put(part, self.prior.evaluate(part).log_prob)
        return self._active.take(batch)


class _TokenValues:
    """A number for each target token of a slice's storage, float32, kept by the batch's rows.

    Args:
        data: Any slice of the storage.
    """

    def __init__(self, data: Slice) -> None:
        self.data = data
        self._offsets = np.concatenate([np.zeros(1, dtype=np.int64), data.storage_target_lengths.cumsum()])
        self._values = np.full(self._offsets[-1], np.nan, dtype=np.float32)
        self._owner = np.arange(len(self._offsets) - 1)  # row to the row that holds its values

    def share(self, data: Slice) -> None:
        """Let equal trajectories of a slice of the storage hold their values together."""
        self._owner[data.rows] = data.firsts()

    def missing(self, batch: TokenBatch) -> Tensor:
        """Rows of the batch to compute, int64 [b]: of equal ones without values the first."""
        owners, first = np.unique(self._owner[batch.row.cpu().numpy()], return_index=True)
        unknown = np.isnan(self._values[self._offsets[owners]])
        return torch.from_numpy(np.sort(first[unknown])).to(batch.row.device)

    def take(self, batch: TokenBatch) -> Tensor:
        """What was put, float32 [B,T], 0 at padding."""
        values = torch.from_numpy(self._values[self._places(batch)])
        return padded(values.to(batch.target.device), batch.target_mask)

    def put(self, batch: TokenBatch, values: Tensor) -> None:
        """Keep float32 [B,T]."""
        self._values[self._places(batch)] = values[batch.target_mask].cpu().numpy()

    def _places(self, batch: TokenBatch) -> NDArray[np.int64]:
        """Of the batch's target tokens, row after row; int64 [L]."""
        mask = batch.target_mask.cpu().numpy()
        starts = self._offsets[self._owner[batch.row.cpu().numpy()]]
        places: NDArray[np.int64] = (starts[:, None] + np.arange(mask.shape[1]))[mask]
        return places
