"""What the optimisation loop trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import nn

    from buffers import Batches, Slice, TokenBatch


class Learner(Protocol):
    """What :func:`agents.training.loop.fit` trains: an agent, or a value network on its own."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Its name as ``learner``, and its options as JSON holds them: a training goes on from a state of the same."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """What is trained, kept the best of and restored; all on one device."""

    @property
    def learning_rates(self) -> Mapping[str, float]:
        """The learning rate of networks that have one of their own, over the configuration's."""

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """What :meth:`after_step` changes: target networks, copies of a policy."""

    def batches(self, data: Slice, tokens_per_batch: int, seed: int) -> Batches:
        """One epoch of the data; one without a batch ends the training."""

    def loss(self, batch: TokenBatch, progress: float) -> NamedTuple:
        """Scalars, the first named ``loss`` and with gradient; ``progress`` is the share of the budget spent."""

    def after_step(self) -> None:
        """What follows a step of the optimiser, the update of a target network, say."""
