"""DPO: direct preference optimisation on the best and the worst candidate of each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_scored
from agents.losses import preference_loss, sequence_log_prob, weighted_nll
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class DPOConfig(AgentConfig):
    """The symbols of DPO's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.1
    """Strength of the pull to the reference policy (arXiv 2305.18290, equation 7)."""
    margin: float = 0.05
    """Reward by which the best candidate must beat the worst for the source to count."""
    rpo_alpha: float = 1.0
    """Weight of the NLL term of RPO, which keeps the best candidate's probability from falling with the worse one's
    (arXiv 2404.19733, its alpha); 0 is plain DPO (arXiv 2305.18290)."""

    def __post_init__(self) -> None:
        above_zero(self, "beta")
        zero_or_more(self, "margin", "rpo_alpha")


class DPOLoss(NamedTuple):
    """What :meth:`DPO.loss` returns, each float32 []."""

    loss: Tensor
    """Preference loss and weighted negative log-likelihood."""
    preference_loss: Tensor
    """Preference loss per pair, nats."""
    nll: Tensor
    """Negative log-likelihood of the best candidates per target token, nats; its weight is ``rpo_alpha``."""
    accuracy: Tensor
    """Share of pairs that the policy orders rightly, relative to the reference policy."""


class DPO(LossAgent):
    """Direct preference optimisation, with pairs made from rewards.

    ``L(theta) = -E log sigmoid(beta (r(y_w) - r(y_l))) - alpha/M sum log pi(y_w|x)``, ``r(y) = log pi(y|x)/pi_0(y|x)``

    ``y_w`` and ``y_l`` are the best and the worst of a source's candidates (its reference among them), ``pi_0`` the
    policy as it was when the agent was made. A batch holds pairs: best, worst, best, worst. The first term is DPO
    (Rafailov et al. 2023, arXiv 2305.18290, equation 7). The second is not in it: it is the NLL term of iterative
    reasoning preference optimisation (RPO; Pang et al. 2024, arXiv 2404.19733), here a mean over the target tokens of
    the batch and not of each candidate; ``rpo_alpha=0`` leaves it out.
    """

    name: ClassVar[str] = "dpo"
    filters: ClassVar[bool] = False
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = DPOConfig
    config: DPOConfig

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of pairs.

        Raises:
            ValueError: If rewards are missing, or no source has two candidates that differ by the margin.
        """
        check_scored(self.name, data)
        pairs = best_and_worst(data.source_index, data.rewards, self.config.margin)
        if not len(pairs):
            raise ValueError(
                f"no source of {data!r} has two candidates whose rewards differ by more than {self.config.margin}; "
                "lower the margin, or grow more candidates"
            )
        return data.groups(pairs, tokens_per_batch, seed=seed)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> DPOLoss:
        """The equation above."""
        mask = batch.target_mask
        log_prob = self.policy.evaluate(batch).log_prob  # [B,T]
        with torch.no_grad():
            log_prior = self.prior.evaluate(batch).log_prob  # [B,T]
        ratio = sequence_log_prob(log_prob - log_prior, mask)  # [B]
        chosen, rejected = ratio[0::2], ratio[1::2]  # [B/2] each
        preference = preference_loss(chosen, rejected, self.config.beta)
        nll = weighted_nll(log_prob[0::2], torch.ones_like(log_prob[0::2]), mask[0::2])
        return DPOLoss(
            loss=preference + self.config.rpo_alpha * nll,
            preference_loss=preference.detach(),
            nll=nll.detach(),
            accuracy=(chosen > rejected).float().mean(),
        )


def best_and_worst(source_index: NDArray[np.int64], reward: NDArray[np.float32], margin: float) -> NDArray[np.int64]:
    """Rows of each source's best and worst candidate, where they differ by more than ``margin``; of equals the first.

    Args:
        source_index: int64 [N].
        reward: float32 [N].
        margin: In units of reward.

    Returns:
        int64 [P,2], best and worst, in the order of the sources.
    """
    falling = np.lexsort((-reward, source_index))  # stable: of equals the first
    rising = np.lexsort((reward, source_index))
    _, first = np.unique(source_index[falling], return_index=True)
    pairs = np.stack([falling[first], rising[first]], axis=1)
    wide: NDArray[np.int64] = pairs[reward[pairs[:, 0]] - reward[pairs[:, 1]] > margin]
    return wide
