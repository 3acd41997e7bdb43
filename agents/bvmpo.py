"""BVMPO: V-MPO with a behaviour value and a behaviour prior."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from agents.agent import AgentConfig
from agents.importance import log_ratio
from agents.importance_agent import ImportanceAgent, ImportanceConfig
from agents.losses import categorical_kl, temperature_loss, upper_half, value_loss, vmpo_weights, weighted_nll
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.returns import vtrace
from agents.value import ValueNetwork
from buffers import TokenBatch
from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class BVMPOConfig(ImportanceConfig):
    """The symbols of BVMPO's equations; the paper states no value but those of lambda.

    Raises:
        ValueError: If a value is out of range.
    """

    rho_bar: float = 1.0
    """Bound of v-trace's weights rho (arXiv 1802.01561, equation 1)."""
    c_bar: float = 1.0
    """Bound of v-trace's weights c (arXiv 1802.01561, equation 1)."""
    eta: float = 0.1
    """Temperature of the advantages at the start (arXiv 1909.12238), in units of reward."""
    epsilon_eta: float = 0.1
    """Bound epsilon in the dual of the temperature (arXiv 1909.12238), nats."""
    eta_rate: float = 10.0
    """Learning rate of log eta, in multiples of the policy's."""
    prior_first: float = 1.0
    """Weight lambda_k of the behaviour prior at the start of an Improve step (A.8.1)."""
    prior_last: float = 1e-5
    """Weight lambda_k of the behaviour prior at the end of an Improve step, to which it falls exponentially (A.8.1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(
            self,
            "rho_bar",
            "eta",
            "epsilon_eta",
            "eta_rate",
            "prior_first",
            "prior_last",
        )
        zero_or_more(self, "c_bar")


class BVMPOLoss(NamedTuple):
    """What :meth:`BVMPO.loss` returns, each float32 []."""

    loss: Tensor
    """The sum of the four losses below, the last one times lambda."""
    policy_loss: Tensor
    """``L_pi``, nats."""
    value_loss: Tensor
    """``L_V``, in squared units of reward."""
    eta_loss: Tensor
    """``L_eta``."""
    prior_kl: Tensor
    """``KL(pi_BC || pi)`` per target token, nats."""
    eta: Tensor
    """Temperature of the advantages."""
    prior_weight: Tensor
    """lambda."""


class Temperature(nn.Module):
    """``eta``, above 0, learned by its logarithm.

    Args:
        eta: To start from.
        rate: Steps of ``log eta`` are so many times the optimiser's.
    """

    def __init__(self, eta: float, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.scaled = nn.Parameter(torch.tensor([math.log(eta) / rate]))

    def forward(self) -> Tensor:
        """float32 []."""
        return (self.rate * self.scaled[0]).exp()

    def save(self, folder: str | Path) -> None:
        """Write ``temperature.json``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        record = {"scaled": float(self.scaled[0].detach()), "rate": self.rate}
        (Path(folder) / "temperature.json").write_text(json.dumps(record, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote."""
        record = json.loads((Path(folder) / "temperature.json").read_text())
        temperature = cls(1.0, record["rate"])
        with torch.no_grad():
            temperature.scaled.fill_(record["scaled"])
        return temperature.to(device)


class BVMPO(ImportanceAgent):
    """V-MPO on offline data, with a behaviour value to start from and a behaviour prior to stay near.

    Two networks, the policy from BC and the value from BVE, both trained further::

        v_t     = v-trace target of V with pi / mu, rho-bar, c-bar          arXiv 1802.01561, equation 1
        A_t     = r_t + v_{t+1} - V(s_t)
        psi_t   = softmax(A_t / eta) over the upper half of the batch       arXiv 1909.12238
        L_pi    = -sum_t psi_t log pi(a_t | s_t)                            arXiv 1909.12238
        L_eta   = eta epsilon + eta log mean exp(A_t / eta)                 arXiv 1909.12238
        L_V     = mean (v_t - V(s_t))^2
        L       = L_pi + L_eta + L_V + lambda KL(pi_BC(.|s_t) || pi(.|s_t)) arXiv 2106.08199

    with ``lambda`` falling exponentially from 1 to 1e-5 over an Improve step. ``mu`` is stored with the data, at the
    temperature it was sampled at; ``pi`` enters the ratio at the same temperature, so that the ratio is 1 where the
    policy has not moved. Gulcehre et al. 2023, arXiv 2308.08998, A.8.1.
    """

    name: ClassVar[str] = "bvmpo"
    filters: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("prior", "value", "temperature")
    Config: ClassVar[type[AgentConfig]] = BVMPOConfig
    config: BVMPOConfig

    def __init__(
        self, policy: Seq2SeqPolicy, config: AgentConfig | None = None, value: ValueNetwork | None = None
    ) -> None:
        super().__init__(policy, config, value)
        self.temperature = Temperature(self.config.eta, self.config.eta_rate).to(policy.device)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Policy, value network and temperature."""
        return {**super().networks, "temperature": self.temperature}

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> BVMPOLoss:
        """The equations above, in order."""
        mask, options = batch.target_mask, self.config
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

        with torch.no_grad():
            log_prior = self.prior.evaluate(batch).log_distribution  # [L,V]
        prior_kl = categorical_kl(log_prior, log_pi).mean()
        prior_weight = options.prior_first ** (1 - progress) * options.prior_last**progress
        regression = value_loss(value, target, mask)
        return BVMPOLoss(
            loss=policy_loss + eta_loss + regression + prior_weight * prior_kl,
            policy_loss=policy_loss.detach(),
            value_loss=regression.detach(),
            eta_loss=eta_loss.detach(),
            prior_kl=prior_kl.detach(),
            eta=eta.detach(),
            prior_weight=torch.tensor(prior_weight),
        )
