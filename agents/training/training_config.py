"""How much, how fast and in which arithmetic to train."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from agents.ranges import above_zero, zero_or_more

ScheduleName = Literal["constant", "inverse-sqrt", "linear", "cosine"]
Precision = Literal["fp32", "bf16", "auto"]
Attention = Literal["eager", "sdpa", "auto"]
Optimiser = Literal["fused", "foreach", "auto"]
Compile = Literal["on", "off", "auto"]


@dataclass(frozen=True)
class TrainingConfig:
    """One Improve step's budgets.

    Raises:
        ValueError: If a value is out of range.
    """

    learning_rate: float = 3e-3
    """Peak learning rate, above 0; the paper lowers it from one Improve step to the next."""
    schedule: ScheduleName = "inverse-sqrt"
    """After the warmup: constant; inverse-sqrt of the tokens; linear or cosine down to 0 at max_tokens."""
    tokens_per_batch: int = 512
    """Size of a batch, tokens, padding counted, on its wider side (source or target)."""
    max_tokens: int = 1_000_000
    """Budget, target tokens that get a gradient; the step that reaches it is the last."""
    warmup_tokens: int = 50_000
    """Target tokens over which the learning rate rises from 0; at least 1 below the schedule "inverse-sqrt"."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay of matrices, a share of the weight each step at learning rate 1."""
    max_grad_norm: float = 1.0
    """Each network's gradient is scaled down to this Euclidean norm, above 0."""
    evaluate_every: int = 100_000
    """Target tokens between two evaluations, or, without an evaluation, between two rows of the history."""
    patience: int = 3
    """Evaluations in a row that may not rise above the best; the last of them stops the training."""
    seed: int = 0
    """Determines the order of batches and the dropout, from 0."""
    precision: Precision = "auto"
    """Arithmetic of the forward pass: fp32, bf16, or auto for bf16 where the device has such instructions and, on a
    CPU, the network is at least 256 wide."""
    attention: Attention = "auto"
    """Attention's kernel: eager, sdpa (PyTorch's scaled-dot-product attention), or auto for the network's own, which is
    eager for policies: where sentences are short, no slower on a CPU."""
    optimiser: Optimiser = "auto"
    """How AdamW steps: fused, foreach, or auto for fused where PyTorch has it for the device."""
    compile: Compile = "auto"
    """Whether torch.compile makes kernels of the layers at the first steps, which takes a minute or more and a
    compiler: on, off, or auto for off."""
    workers: int = 0
    """Processes that read shards and pad batches ahead of the training; 0 does it in between."""
    progress: bool = True
    """Whether to show a progress bar on standard error."""

    def __post_init__(self) -> None:
        above_zero(
            self, "learning_rate", "tokens_per_batch", "max_tokens", "max_grad_norm", "evaluate_every", "patience"
        )
        zero_or_more(self, "warmup_tokens", "weight_decay", "seed", "workers")
        named = {
            "schedule": ScheduleName,
            "precision": Precision,
            "attention": Attention,
            "optimiser": Optimiser,
            "compile": Compile,
        }
        for name, choices in named.items():
            good = get_args(choices)
            if getattr(self, name) not in good:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}; choose one of {', '.join(good)}")

    def learning_rate_at(self, tokens: float) -> float:
        """The learning rate of the step that brings the target tokens to ``tokens``."""
        if tokens < self.warmup_tokens:
            return self.learning_rate * tokens / self.warmup_tokens
        left = max(0.0, 1 - (tokens - self.warmup_tokens) / max(1, self.max_tokens - self.warmup_tokens))
        shares = {
            "constant": 1.0,
            "inverse-sqrt": math.sqrt(max(1, self.warmup_tokens) / max(1.0, tokens)),
            "linear": left,
            "cosine": (1 - math.cos(math.pi * left)) / 2,
        }
        return self.learning_rate * shares[self.schedule]
