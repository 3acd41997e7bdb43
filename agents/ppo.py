"""PPO: proximal policy optimisation with a value network, and a KL penalty in the reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from agents.agent import AgentConfig
from agents.kl_controller import KLController
from agents.losses import value_loss
from agents.online_agent import OnlineAgent, OnlineConfig, rollout_log_prob
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.policy_gradients import (
    clipped_surrogate,
    explained_variance,
    generalised_advantages,
    token_mean,
    whitened,
)
from agents.returns import step_rewards
from agents.value import ValueNetwork
from agents.value_agent import ValueAgent, ValueConfig
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class PPOConfig(OnlineConfig, ValueConfig):
    """The symbols of PPO's equations; the ReST paper states no value of its PPO.

    Raises:
        ValueError: If a value is out of range.
    """

    epochs: int = 4
    """Epochs over each batch of samples, at least 1 (arXiv 1707.06347, K of algorithm 1)."""
    epsilon: float = 0.2
    """Distance from 1 at which the ratio is clipped (arXiv 1707.06347, equation 7), above 0."""
    gae_lambda: float = 0.95
    """Lambda of the advantages (arXiv 1506.02438), from 0 (one step) to 1 (the return less the value)."""
    beta: float = 0.03
    """Weight of the KL penalty in the reward (arXiv 1909.08593, equation 2), in units of reward per nat; 0 for none."""
    kl_target: float | None = None
    """KL divergence from the prior that the weight beta is steered to (arXiv 1909.08593, section 2.2), nats per
    target, above 0; none keeps beta as it is."""
    value_rate: float = 1.0
    """Learning rate of the value network over the policy's, above 0."""
    whiten: bool = True
    """Whether advantages are scaled to mean 0 and standard deviation 1 over a batch."""
    value_tokens: int = 0
    """Target tokens of behaviour value estimation on the first samples, before the first update; 0 begins with their
    mean reward everywhere."""

    def __post_init__(self) -> None:
        OnlineConfig.__post_init__(self)
        ValueConfig.__post_init__(self)
        above_zero(self, "epsilon", "value_rate")
        zero_or_more(self, "beta")
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"gae_lambda is {self.gae_lambda}; give a number from 0 to 1")
        if self.kl_target is not None and not self.kl_target > 0:
            raise ValueError(
                f"kl_target is {self.kl_target}, and only the prior itself is so near the prior; give nats above 0, or "
                "leave it out to keep beta as it is"
            )
        if self.kl_target is not None and not self.beta:
            raise ValueError("kl_target steers beta, which is 0 and stays 0; give a beta above 0 to start from")


class PPOLoss(NamedTuple):
    """What :meth:`PPO.loss` returns, each float32 []."""

    loss: Tensor
    """Policy loss and value loss."""
    policy_loss: Tensor
    """``L_pi`` per target token."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    explained_variance: Tensor
    """Share of the variance of ``G_t`` that the value network explains, 1 or less."""
    reward: Tensor
    """Mean reward of the samples, without the KL penalty."""
    prior_kl: Tensor
    """``log mu - log pi_0`` per target, whose mean is ``KL(mu || pi_0)``, nats."""
    clipped: Tensor
    """Share of the target tokens whose ratio is outside of the bounds."""
    beta: Tensor
    """Weight of the KL penalty."""


class PPO(ValueAgent, OnlineAgent):
    """Proximal policy optimisation on the policy's own samples.

    Policy and value are two networks. In order, ``mu`` the policy that sampled, ``pi_0`` the supervised one, all at
    the temperature of the sampling::

        r_t     = R 1[t = T] - beta log(mu(a_t|s_t) / pi_0(a_t|s_t))          arXiv 1909.08593, equation 2
        delta_t = r_t + V(s_{t+1}) - V(s_t)
        A_t     = delta_t + lambda A_{t+1}                                    arXiv 1506.02438, equation 16
        rho_t   = pi(a_t|s_t) / mu(a_t|s_t)
        L_pi    = -mean min(rho_t A_t, clip(rho_t, 1 - eps, 1 + eps) A_t)     arXiv 1707.06347, equation 7
        L_V     = mean (G_t - V(s_t))^2,  G_t = A_t + V(s_t) without gradient
        L       = L_pi + L_V

    Advantages are computed anew in every epoch, from the value network as it is (Andrychowicz et al. 2021, arXiv
    2006.05990), and then whitened over the batch. There is no entropy bonus, and the value's loss is not clipped.
    """

    name: ClassVar[str] = "ppo"
    parts: ClassVar[tuple[str, ...]] = ("prior", "value", "controller")
    Config: ClassVar[type[AgentConfig]] = PPOConfig
    config: PPOConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        self.controller = KLController(self.config.beta, self.config.kl_target).to(policy.device)

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """The value network's."""
        return {"value": self.config.value_rate}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """What steers beta."""
        return {"controller": self.controller}

    def after_step(self) -> None:
        """Steer beta."""
        self.controller.after_step()

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> PPOLoss:
        """The equations above, in order."""
        mask, options = batch.target_mask, self.config
        beta = self.controller()
        log_penalty = (batch.log_prob - self.prior_log_prob(batch)).masked_fill(~mask, 0.0)  # [B,T]
        reward = step_rewards(batch.reward, mask) - beta * log_penalty  # [B,T]

        value = self.value(batch)  # [B,T]
        advantage = generalised_advantages(value, reward, mask, options.gae_lambda)  # [B,T]
        target = advantage + value.detach()  # [B,T]
        weight = whitened(advantage, mask) if options.whiten else advantage  # [B,T]

        log_ratio = (rollout_log_prob(self.policy, batch) - batch.log_prob).masked_fill(~mask, 0.0)  # [B,T]
        policy_loss = token_mean(clipped_surrogate(log_ratio, weight, options.epsilon), mask)
        regression = value_loss(value, target, mask)
        prior_kl = log_penalty.sum(1).mean()
        self.controller.observe(prior_kl)
        outside = (log_ratio.detach().exp() - 1).abs() > options.epsilon  # [B,T]
        return PPOLoss(
            loss=policy_loss + regression,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            explained_variance=explained_variance(value, target, mask),
            reward=batch.reward.mean(),
            prior_kl=prior_kl,
            clipped=token_mean(outside.float(), mask),
            beta=beta,
        )
