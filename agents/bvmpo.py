"""BVMPO: V-MPO with a behaviour value and a behaviour prior."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from agents.agent import AgentConfig
from agents.importance import log_ratio
from agents.importance_agent import ImportanceAgent, ImportanceConfig
from agents.losses import (
    categorical_kl,
    temperature_loss,
    trust_region_loss,
    upper_half,
    value_loss,
    vmpo_weights,
    weighted_nll,
)
from agents.periodic_copy import PeriodicCopy
from agents.policy.dropout import dropout_off
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.returns import vtrace
from agents.training.training_config import TrainingConfig
from agents.value import ValueNetwork
from buffers import Slice, TokenBatch
from seq2seq_env.atomic_files import read_json, write_json
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class BVMPOConfig(ImportanceConfig):
    """The symbols of BVMPO's equations; the paper states no value but those of lambda."""

    rho_bar: float = 1.0
    """Bound of v-trace's weights rho (arXiv 1802.01561, equation 1)."""
    c_bar: float = 1.0
    """Bound of v-trace's weights c (arXiv 1802.01561, equation 1)."""
    eta: float = 0.1
    """Temperature of the advantages at the start (arXiv 1909.12238), in units of reward."""
    epsilon_eta: float = 0.1
    """Bound epsilon in the dual of the temperature (arXiv 1909.12238), nats."""
    eta_rate: float = 10.0
    """Learning rate of log eta and of log alpha, in multiples of the policy's."""
    epsilon_alpha: float = 0.0
    """Bound of the trust region ``KL(pi_old || pi)`` (arXiv 1909.12238), nats per target token; 0 leaves it out."""
    alpha: float = 1.0
    """Lagrange multiplier of the trust region at the start (arXiv 1909.12238), learned as eta is."""
    old_policy_every: int = 100
    """Steps of the optimiser after which the trust region's old policy is renewed (arXiv 1909.12238), at least 1."""
    prior_first: float = 1.0
    """Weight lambda_k of the behaviour prior at the start of an Improve step (A.8.1)."""
    prior_last: float = 1e-5
    """Weight lambda_k of the behaviour prior at the end of an Improve step, to which it falls exponentially (A.8.1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "rho_bar", "eta", "epsilon_eta", "eta_rate", "alpha", "old_policy_every")
        above_zero(self, "prior_first", "prior_last")
        zero_or_more(self, "c_bar", "epsilon_alpha")


class BVMPOLoss(NamedTuple):
    """What :meth:`BVMPO.loss` returns, each float32 []."""

    loss: Tensor
    """The sum of the four losses below and lambda times ``prior_kl``."""
    policy_loss: Tensor
    """``L_pi``, nats."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    eta_loss: Tensor
    """``L_eta``."""
    trust_region_loss: Tensor
    """``L_alpha``; 0 without a trust region, as are the two below."""
    trust_region_kl: Tensor
    """``KL(pi_old || pi)`` per target token, nats."""
    alpha: Tensor
    """Lagrange multiplier of the trust region."""
    prior_kl: Tensor
    """``KL(pi_BC || pi)`` per target token, nats."""
    eta: Tensor
    """Temperature of the advantages."""
    prior_weight: Tensor
    """lambda."""


class PositiveScalar(nn.Module):
    """A number above 0, learned by its logarithm: a temperature or a Lagrange multiplier.

    Args:
        value: To start from.
        rate: Steps of its logarithm are so many times the optimiser's.
    """

    def __init__(self, value: float, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.scaled = nn.Parameter(torch.tensor([math.log(value) / rate]))

    def forward(self) -> Tensor:
        """float32 []."""
        return (self.rate * self.scaled[0]).exp()

    def save(self, folder: str | Path) -> None:
        """Write ``scalar.json``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        record = {"scaled": float(self.scaled[0].detach()), "rate": self.rate}
        write_json(Path(folder) / "scalar.json", record)

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote."""
        record = read_json(Path(folder) / "scalar.json")
        scalar = cls(1.0, record["rate"])
        with torch.no_grad():
            scalar.scaled.fill_(record["scaled"])
        return scalar.to(device)


class BVMPO(ImportanceAgent):
    """V-MPO on offline data, with a behaviour value to start from and a behaviour prior to stay near.

    Two networks, the policy from BC and the value from BVE, both trained further::

        v_t     = v-trace target of V with pi / mu, rho-bar, c-bar          arXiv 1802.01561, equation 1
        A_t     = r_t + v_{t+1} - V(s_t)
        psi_t   = softmax(A_t / eta) over the upper half of the batch       arXiv 1909.12238
        L_pi    = -sum_t psi_t log pi(a_t | s_t)                            arXiv 1909.12238
        L_eta   = eta epsilon + eta log mean exp(A_t / eta)                 arXiv 1909.12238
        L_alpha = alpha (epsilon_alpha - sg[KL]) + sg[alpha] KL             arXiv 1909.12238
        L_V     = mean (v_t - V(s_t))^2
        L       = L_pi + L_eta + L_alpha + L_V
                  + lambda KL(pi_BC(.|s_t) || pi(.|s_t))                    arXiv 2106.08199

    with ``lambda`` falling exponentially from 1 to 1e-5 over an Improve step. ``mu`` is stored with the data, at the
    temperature it was sampled at; ``pi`` enters the ratio at the same temperature, so that the ratio is 1 where the
    policy has not moved. Gulcehre et al. 2023, arXiv 2308.08998, A.8.1.

    ``L_alpha`` is V-MPO's trust region, ``KL`` the mean of ``KL(pi_old(.|s_t) || pi(.|s_t))`` over all states of the
    batch, ``pi_old`` the policy some steps ago, ``sg`` a factor without gradient. It is left out by default, because
    the paper tells of the behaviour prior alone; an ``epsilon_alpha`` above 0 puts it in, and takes dropout out of the
    pass that trains, so that ``KL`` is 0 where the policy has not moved.
    """

    name: ClassVar[str] = "bvmpo"
    filters: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("prior", "value", "temperature", "multiplier")
    Config: ClassVar[type[AgentConfig]] = BVMPOConfig
    config: BVMPOConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        self.temperature = PositiveScalar(self.config.eta, self.config.eta_rate).to(policy.device)
        self.multiplier = PositiveScalar(self.config.alpha, self.config.eta_rate).to(policy.device)
        self._old: PeriodicCopy | None = None  # while an Improve step with a trust region runs

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Policy, value network, temperature and, where there is a trust region, its multiplier."""
        networks = {**super().networks, "temperature": self.temperature}
        return networks | ({"multiplier": self.multiplier} if self.config.epsilon_alpha else {})

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """The trust region's old policy."""
        return {} if self._old is None else {"old": self._old}

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """See :meth:`ValueAgent.improving`; the trust region's old policy starts as the policy."""
        with super().improving(data, training):
            if self.config.epsilon_alpha:
                self._old = PeriodicCopy(self.policy, self.config.old_policy_every)
            try:
                yield
            finally:
                self._old = None

    def after_step(self) -> None:
        """Renew the copy of the policy when it is time."""
        if self._old is not None:
            self._old.after_step()

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BVMPOLoss:
        """The equations above, in order."""
        mask, options = batch.target_mask, self.config
        # The old policy has no dropout: that of the policy would be a divergence that no multiplier takes away.
        with dropout_off(self.policy.model) if options.epsilon_alpha else nullcontext():
            policy = self.policy.evaluate(batch)
            log_pi, log_prob = policy.log_distribution, policy.log_prob  # [L,V], [B,T]
        ratio = log_ratio(policy, batch, options.behaviour_temperature)  # [B,T]

        value = self.value(batch)  # [B,T]
        target, advantage = vtrace(
            value, batch.reward, ratio, mask, rho_bar=options.rho_bar, c_bar=options.c_bar
        )  # [B,T] each

        eta = self.temperature()
        keep = upper_half(advantage, mask)  # [B,T]
        psi = vmpo_weights(advantage, eta, keep)  # [B,T]
        policy_loss = weighted_nll(log_prob, psi * mask.sum(), mask)
        eta_loss = temperature_loss(advantage, eta, options.epsilon_eta, keep)

        trust_region, kl, alpha = (log_pi.new_zeros(()) for _ in range(3))
        if self._old is not None:
            with torch.no_grad():
                log_old = self._old.policy.evaluate(batch).log_distribution  # [L,V]
            kl, alpha = categorical_kl(log_old, log_pi), self.multiplier()  # [L], []
            trust_region = trust_region_loss(kl, alpha, options.epsilon_alpha)

        with torch.no_grad():
            log_prior = self.prior.evaluate(batch).log_distribution  # [L,V]
        prior_kl = categorical_kl(log_prior, log_pi).mean()
        prior_weight = options.prior_first ** (1 - progress) * options.prior_last**progress
        regression = value_loss(value, target, mask)
        return BVMPOLoss(
            loss=policy_loss + eta_loss + trust_region + regression + prior_weight * prior_kl,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            eta_loss=eta_loss.detach(),
            trust_region_loss=trust_region.detach(),
            trust_region_kl=kl.detach().mean(),
            alpha=alpha.detach(),
            prior_kl=prior_kl.detach(),
            eta=eta.detach(),
            prior_weight=log_pi.new_tensor(prior_weight, dtype=torch.float32),
        )
