"""Weight of a KL penalty that is steered towards a target divergence."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from seq2seq_env.atomic_files import read_json, write_json

GAIN = 0.1
"""Change of log beta at a step, at most a fifth of it (arXiv 1909.08593, K_beta)."""
LARGEST_ERROR = 0.2
"""Bound of the relative error that counts (arXiv 1909.08593, section 2.2)."""


class KLController(nn.Module):
    """Weight beta of a KL penalty, made larger while the divergence is above its target and smaller while below.

    ``e = clip(KL / target - 1, -0.2, 0.2)``, ``beta = beta (1 + 0.1 e)`` after each step of the optimiser (Ziegler et
    al. 2019, arXiv 1909.08593, section 2.2).

    Args:
        beta: To start from.
        target: Nats, above 0; None keeps beta as it is.
    """

    def __init__(self, beta: float, target: float | None) -> None:
        super().__init__()
        self._target = target
        self.beta: Tensor
        self.observed: Tensor
        self.register_buffer("beta", torch.tensor(beta))
        self.register_buffer("observed", torch.tensor(0.0))

    def forward(self) -> Tensor:
        """float32 []."""
        return self.beta.clone()

    def observe(self, kl: Tensor) -> None:
        """The divergence that the next step answers, float32 [], nats."""
        self.observed.copy_(kl.detach())

    def after_step(self) -> None:
        """Steer beta by what was observed last."""
        if self._target is not None:
            error = (self.observed / self._target - 1).clamp(-LARGEST_ERROR, LARGEST_ERROR)
            self.beta *= 1 + GAIN * error

    def save(self, folder: str | Path) -> None:
        """Write ``controller.json``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_json(Path(folder) / "controller.json", {"beta": float(self.beta), "target": self._target})

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Self:
        """Read what :meth:`save` wrote."""
        record = read_json(Path(folder) / "controller.json")
        return cls(record["beta"], record["target"]).to(device)
