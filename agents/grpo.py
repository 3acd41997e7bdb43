"""GRPO: clipped policy gradient with rewards standardised within a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.group_agent import GroupAgent
from agents.online_agent import OnlineConfig, rollout_log_prob
from agents.policy_gradients import clipped_surrogate, kl_estimate, sequence_mean, standardised, token_mean
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class GRPOConfig(OnlineConfig):
    """The symbols of GRPO's equations; the defaults of epochs and beta are the source's.

    Raises:
        ValueError: If a value is out of range.
    """

    epsilon: float = 0.2
    """Distance from 1 at which the ratio is clipped (arXiv 2402.03300, equation 3), above 0."""
    beta: float = 0.04
    """Weight of the KL divergence from the prior (arXiv 2402.03300, section 4.2), beside advantages in standard
    deviations; 0 for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "epsilon")
        zero_or_more(self, "beta")


class GRPOLoss(NamedTuple):
    """What :meth:`GRPO.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and weighted KL divergence."""
    policy_loss: Tensor
    """The clipped surrogate, mean of the sequences' means."""
    prior_kl: Tensor
    """Estimate of ``KL(pi || pi_0)`` per target token, nats."""
    reward: Tensor
    """Mean reward of the samples."""
    clipped: Tensor
    """Share of the target tokens whose ratio is outside of the bounds."""


class GRPO(GroupAgent):
    """Group relative policy optimisation on the policy's own samples.

    With G candidates of each source, ``mu`` the policy that sampled and ``pi_0`` the supervised one, all at the
    temperature of the sampling::

        A_i   = (R_i - mean R) / std R                                        over the source's candidates
        rho_t = pi(a_t|s_t) / mu(a_t|s_t)
        D_t   = pi_0(a_t|s_t) / pi(a_t|s_t) - log(pi_0(a_t|s_t) / pi(a_t|s_t)) - 1            equation 4
        L     = -mean_i mean_t [min(rho_t A_i, clip(rho_t, 1 - eps, 1 + eps) A_i) - beta D_t]  equation 3

    The inner mean is over a sequence's tokens, so that each sequence counts alike. Shao et al. 2024, arXiv 2402.03300
    ("DeepSeekMath"), outcome supervision.
    """

    name: ClassVar[str] = "grpo"
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = GRPOConfig
    config: GRPOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> GRPOLoss:
        """The equations above, in order."""
        mask, options = batch.target_mask, self.config
        advantage = standardised(batch.reward, batch.group)[:, None]  # [B,1]
        log_prob = rollout_log_prob(self.policy, batch)  # [B,T]
        log_ratio = (log_prob - batch.log_prob).masked_fill(~mask, 0.0)  # [B,T]
        divergence = kl_estimate(log_prob, self.prior_log_prob(batch))  # [B,T]
        surrogate = clipped_surrogate(log_ratio, advantage, options.epsilon)  # [B,T]
        outside = (log_ratio.detach().exp() - 1).abs() > options.epsilon  # [B,T]
        return GRPOLoss(
            loss=sequence_mean(surrogate + options.beta * divergence, mask),
            policy_loss=sequence_mean(surrogate.detach(), mask),
            prior_kl=token_mean(divergence.detach(), mask),
            reward=batch.reward.mean(),
            clipped=token_mean(outside.float(), mask),
        )
