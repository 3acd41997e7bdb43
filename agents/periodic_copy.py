"""A copy of a policy that is renewed every so many steps of the optimiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agents.policy.seq2seq_policy import Seq2SeqPolicy


class PeriodicCopy(nn.Module):
    """The policy as it was some steps ago, which importance weights and trust regions refer to.

    Attributes:
        policy: The copy, never in training mode.

    Args:
        trained: What is copied, at once and after every ``every``-th step.
        every: Steps of the optimiser between two copies, at least 1.
    """

    def __init__(self, trained: Seq2SeqPolicy, every: int) -> None:
        super().__init__()
        self.policy = trained.clone()
        self.network = self.policy.model  # which makes its weights the module's, to be kept with a training's state
        self._trained, self._every = trained, every
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def after_step(self) -> None:
        """Count a step of the optimiser, and renew the copy when it is time."""
        self.steps += 1
        if int(self.steps) % self._every == 0:
            self.policy.model.load_state_dict(self._trained.model.state_dict())
