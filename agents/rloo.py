"""RLOO: REINFORCE with the mean of the source's other candidates as baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from agents.agent import AgentConfig
from agents.group_agent import GroupAgent
from agents.losses import sequence_log_prob, weighted_nll
from agents.online_agent import OnlineConfig, rollout_log_prob
from agents.policy_gradients import leave_one_out
from buffers import TokenBatch
from seq2seq_env.ranges import zero_or_more


@dataclass(frozen=True)
class RLOOConfig(OnlineConfig):
    """The symbols of RLOO's equations.

    Raises:
        ValueError: If a value is out of range.
    """

    beta: float = 0.03
    """Weight of the KL penalty in the reward (arXiv 2402.14740), in units of reward per nat; 0 for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        zero_or_more(self, "beta")


class RLOOLoss(NamedTuple):
    """What :meth:`RLOO.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss per target token."""
    reward: Tensor
    """Mean reward of the samples, without the KL penalty."""
    prior_kl: Tensor
    """``log mu - log pi_0`` per target, whose mean is ``KL(mu || pi_0)``, nats."""
    advantage: Tensor
    """Mean of ``|A_i|``."""


class RLOO(GroupAgent):
    """REINFORCE leave-one-out on the policy's own samples, a whole target as one action.

    With k candidates of each source, ``mu`` the policy that sampled and ``pi_0`` the supervised one, both at the
    temperature of the sampling::

        R'_i = R_i - beta log(mu(y_i|x) / pi_0(y_i|x))
        A_i  = R'_i - 1/(k - 1) sum_{j != i} R'_j
        L    = -1/M sum_i A_i log pi(y_i|x)

    ``M`` is the number of target tokens of the batch; the paper divides by the number of candidates, which differs by a
    factor alone. Ahmadian et al. 2024, arXiv 2402.14740.
    """

    name: ClassVar[str] = "rloo"
    parts: ClassVar[tuple[str, ...]] = ("prior",)
    Config: ClassVar[type[AgentConfig]] = RLOOConfig
    config: RLOOConfig

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> RLOOLoss:
        """The equations above, in order."""
        mask = batch.target_mask
        penalty = sequence_log_prob(batch.log_prob - self.prior_log_prob(batch), mask)  # [B]
        advantage = leave_one_out(batch.reward - self.config.beta * penalty, batch.group)  # [B]
        return RLOOLoss(
            loss=weighted_nll(rollout_log_prob(self.policy, batch), advantage[:, None], mask),
            reward=batch.reward.mean(),
            prior_kl=penalty.mean(),
            advantage=advantage.abs().mean(),
        )
