"""iw-SFT: supervised fine-tuning on filtered data, weighted by how the policy has moved from the behaviour's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import known_ratios, log_ratio
from agents.losses import sequence_log_prob, weighted_nll
from agents.policy.dropout import dropout_off
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.ranges import above_zero

RatioKind = Literal["sequence", "per-token"]


@dataclass(frozen=True)
class IWSFTConfig(AgentConfig):
    """The symbols of the equation.

    Raises:
        ValueError: If a value is out of range.
    """

    ratio: RatioKind = "sequence"
    """Weight of a sequence: "sequence" is ``pi(y|x) / mu(y|x)``, "per-token" its geometric mean over target tokens, as
    in the published code, which long sequences do not drive to 0 or to the bound."""
    max_weight: float = 16.0
    """Upper bound of the weight, above 0; the published code's is 16."""
    behaviour_temperature: float | None = None
    """Sampling temperature of data that records none, and so the policy's in the ratio; buffers record it, and another
    than recorded is refused."""

    def __post_init__(self) -> None:
        above_zero(self, "max_weight")
        if self.ratio not in get_args(RatioKind):
            raise ValueError(f"there is no ratio {self.ratio!r}; choose one of {', '.join(get_args(RatioKind))}")
        if self.behaviour_temperature is not None:
            above_zero(self, "behaviour_temperature")

    @property
    def has_ratio(self) -> bool:
        """See :attr:`AgentConfig.has_ratio`."""
        return True


class IWSFTLoss(NamedTuple):
    """What :meth:`IWSFT.loss` returns, each float32 []."""

    loss: Tensor
    """Weighted negative log-likelihood per target token, nats."""
    weight: Tensor
    """Mean weight of a sequence."""


class IWSFT(LossAgent):
    """Importance-weighted supervised fine-tuning on what the filter lets through.

    ``L(theta) = -1/M sum_(x,y) F(x, y; tau) min(pi(y|x) / mu(y|x), w_max) sum_t log pi_theta(y_t | x, y_<t)``

    ``mu`` is the policy that wrote the data, both at the temperature of the sampling; the weight gets no gradient.
    Fine-tuning on filtered data is a lower bound of the mean of ``F`` under the policy, tight where ``pi = mu``; the
    weights keep it tight as the policy moves. Qin and Springenberg 2025, arXiv 2507.12856, whose weights are of a
    reference model or a copy of the policy; here ``mu`` is stored with the data.
    """

    name: ClassVar[str] = "iw-sft"
    filters: ClassVar[bool] = True
    needs_copies: ClassVar[bool] = True
    Config: ClassVar[type[AgentConfig]] = IWSFTConfig
    config: IWSFTConfig

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch; of data whose log-probabilities and temperature are known."""
        batches = super().batches(data, tokens_per_batch, seed)
        return known_ratios(self.name, self.config.behaviour_temperature, batches)

    def loss(self, batch: TokenBatch, progress: float = 0.0) -> IWSFTLoss:
        """The equation above."""
        mask = batch.target_mask
        # Over a sequence, the noise of dropout would be nats.
        with dropout_off(self.policy.model):
            policy = self.policy.evaluate(batch)
            moved = sequence_log_prob(log_ratio(policy, batch, self.config.behaviour_temperature), mask)  # [B]
            log_prob = policy.log_prob
        if self.config.ratio == "per-token":
            moved = moved / mask.sum(1)
        weight = moved.exp().clamp(max=self.config.max_weight)  # [B]
        return IWSFTLoss(weighted_nll(log_prob, weight[:, None], mask), weight.mean())
