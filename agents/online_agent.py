"""Online agents: those that learn from samples of the policy as it is, and what their losses need of such samples.

Shape letters: B batch, T target length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from agents.agent import AgentConfig, LossAgent
from agents.importance import check_log_probs, check_scored
from agents.policy.dropout import dropout_off
from agents.policy.seq2seq_policy import Seq2SeqPolicy
from agents.token_values import TokenValues
from agents.training.loop import own_share
from agents.training.training_config import TrainingConfig
from agents.unusable_data import UnusableDataError
from buffers import Batches, Slice, TokenBatch
from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class OnlineConfig(AgentConfig):
    """Options of an online agent.

    Raises:
        ValueError: If a value is out of range.
    """

    epochs: int = 1
    """Epochs over each batch of samples, at least 1."""

    def __post_init__(self) -> None:
        above_zero(self, "epochs")


class OnlineAgent(LossAgent):
    """An agent that learns from samples of the policy as it is; :class:`agents.on_policy.OnPolicy` draws them.

    Its loss is a function of scored samples with their log-probabilities, so that :meth:`Agent.improve` on a slice of
    them is what it does with one batch of samples. What the prior says of a sample is computed in its first epoch, and
    kept for the others.
    """

    online: ClassVar[bool] = True
    filters: ClassVar[bool] = False
    Config: ClassVar[type[AgentConfig]] = OnlineConfig
    config: OnlineConfig

    def __init__(self, policy: Seq2SeqPolicy, config: AgentConfig | None = None) -> None:
        super().__init__(policy, config)
        self._keeps = False  # but while it trains on samples for several epochs
        self._of_prior: TokenValues | None = None

    @contextmanager
    def improving(self, data: Slice, training: TrainingConfig) -> Iterator[None]:
        """See :meth:`Agent.improving`."""
        with super().improving(data, training):
            self._keeps = self.config.epochs > 1
            try:
                yield
            finally:
                self._keeps, self._of_prior = False, None

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of samples whose reward, log-probabilities and temperature are known.

        Raises:
            ValueError: If rewards are missing; a batch raises it where the others are.
        """
        check_scored(self.name, data)
        if self._keeps:
            self._of_prior = TokenValues.for_slice(data, self._of_prior)
        batches = self.grouped(data, tokens_per_batch, seed).checked(partial(check_log_probs, self.name))
        return batches.checked(partial(check_one_temperature, self.name))

    def grouped(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch, with those samples in one batch that the loss compares; all alike here."""
        return data.batches(tokens_per_batch, seed=seed)

    def prior_log_prob(self, batch: TokenBatch) -> Tensor:
        """``log pi_0(a_t|s_t)`` at the temperature that the batch was sampled at, without gradient, float32 [B,T]."""
        if self._of_prior is None:
            return self._asked_prior(batch)
        return self._of_prior.of(batch, self._asked_prior)

    def ask_prior(self, batches: Iterable[TokenBatch]) -> None:
        """Have what the prior says of a first epoch's samples, as its losses had it: in these batches, in this order.

        In other batches it would be rounded otherwise.
        """
        if self._of_prior is not None and "prior" in self.parts:
            for batch in batches:
                self.prior_log_prob(own_share(batch.to(self.policy.device))[0])

    @torch.no_grad()
    def _asked_prior(self, batch: TokenBatch) -> Tensor:
        return rollout_log_prob(self.prior, batch)


def check_one_temperature(name: str, batch: TokenBatch) -> None:
    """Refuse a batch whose sampling temperature is unknown, or that was sampled at several.

    Raises:
        ValueError: If it is.
    """
    known = batch.temperature
    if bool(torch.isnan(known).any()) or bool((known != known[0]).any()):
        raise UnusableDataError(
            f"agent {name!r} trains the policy as it was sampled, and a batch records the temperatures "
            f"{sorted(set(known.tolist()))}; give trajectories that record one"
        )


def rollout_log_prob(policy: Seq2SeqPolicy, batch: TokenBatch) -> Tensor:
    """``log pi(a_t|s_t)`` at the temperature that the batch was sampled at, with gradient, float32 [B,T].

    The tempered distribution is what is sampled, and so what is trained. Dropout is off, as it was in the sampling, so
    that ``pi / mu`` is 1 where the policy has not moved, but for rounding: under bfloat16 autocast, the default on a
    GPU, tokens are off by half a percent or so, because ``mu`` is of float32.

    Args:
        policy: Any.
        batch: Sampled at one temperature.
    """
    with dropout_off(policy.model):
        return policy.evaluate(batch, float(batch.temperature[0])).log_prob
