"""Training configuration: budgets, learning rate, arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from seq2seq_env.ranges import above_zero, zero_or_more
from seq2seq_env.suggestions import check_name

ScheduleName = Literal["constant", "inverse-sqrt", "linear", "cosine"]
Precision = Literal["fp32", "bf16", "auto"]
Attention = Literal["eager", "sdpa"]

FREE_FIELDS = ("progress", "workers", "log_every")
"""Fields of a training's configuration that change nothing of what it comes to, and may differ when it goes on."""


@dataclass(frozen=True)
class TrainingConfig:
    """One Improve step's budgets.

    Raises:
        ValueError: If a value is out of range.
    """

    learning_rate: float = 3e-3
    """Peak learning rate, above 0; the paper lowers it from one Improve step to the next."""
    schedule: ScheduleName = "inverse-sqrt"
    """Learning rate after the warmup: constant; inverse-sqrt of the tokens; linear or cosine to 0 at max_tokens."""
    schedule_tokens: int | None = None
    """Target tokens at which linear and cosine are 0 and what a loss anneals ends, above 0; None for max_tokens."""
    tokens_per_batch: int = 512
    """Token budget of a batch, padding counted, on its wider side (source or target)."""
    max_tokens: int = 1_000_000
    """Target tokens of the whole training; the step that reaches them is the last."""
    warmup_tokens: int = 50_000
    """Target tokens over which the learning rate rises from 0; at least 1 below the schedule "inverse-sqrt"."""
    weight_decay: float = 0.01
    """AdamW's decoupled decay of matrices, a share of the weight each step at learning rate 1."""
    max_grad_norm: float = 1.0
    """Euclidean norm that each network's gradient is scaled down to, above 0."""
    evaluate_every: int = 100_000
    """Target tokens between two evaluations, or, without an evaluation, between two rows of the history."""
    evaluate_first: bool = True
    """Whether the weights are evaluated before the first step, too, and kept unless training makes better ones. Random
    weights need not be: their translations are noise as long as the limit allows, which takes longest of all."""
    log_every: int = 0
    """Steps of the optimiser between two values of the loss in the log, beside those of each evaluation; 0 for none."""
    patience: int = 3
    """Evaluations in a row without a rise above the best, of which the last stops the training."""
    seed: int = 0
    """Random seed of the order of batches and of dropout, from 0."""
    source_drop: float = 0.0
    """Share of each source's tokens that are left out, drawn anew each epoch, from 0 to below 1; noisy self-training
    takes 0.1 (arXiv 1909.13788)."""
    source_blank: float = 0.0
    """Share of each source's tokens that become the unknown token, from 0 to below 1; noisy self-training takes 0.1."""
    source_shuffle: int = 0
    """Places that a source's tokens move at most, 0 or more; noisy self-training takes 3."""
    precision: Precision = "auto"
    """Arithmetic of the forward pass: fp32, bf16 (autocast), or auto for bf16 on a GPU that has it, and on a CPU with
    AMX where the network is at least 256 wide."""
    attention: Attention = "eager"
    """Attention backend of the forward pass: eager, or sdpa (PyTorch's scaled-dot-product attention), which may be
    faster where sentences are long."""
    compile: bool = False
    """Whether the layers are compiled by torch.compile at the first steps, which takes a minute or more and a
    compiler."""
    fsdp: bool = False
    """Whether each process of a launcher holds a part of the networks, gradients and AdamW's moments (FSDP2), for
    policies whose training does not fit one GPU, and not a copy of all; it takes PyTorch 2.6."""
    workers: int = 0
    """Processes that read shards and pad batches ahead of the training; with 0 the training does it itself."""
    progress: bool = True
    """Show a progress bar on standard error."""

    def __post_init__(self) -> None:
        above_zero(
            self, "learning_rate", "tokens_per_batch", "max_tokens", "max_grad_norm", "evaluate_every", "patience"
        )
        if self.schedule_tokens is not None:
            above_zero(self, "schedule_tokens")
        zero_or_more(self, "warmup_tokens", "weight_decay", "seed", "workers", "log_every", "source_shuffle")
        for name in ("source_drop", "source_blank"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a share from 0 to below 1")
        for name, choices in (("schedule", ScheduleName), ("precision", Precision), ("attention", Attention)):
            check_name(name, getattr(self, name), get_args(choices))

    @property
    def has_source_noise(self) -> bool:
        """Whether sources get any noise."""
        return bool(self.source_drop or self.source_blank or self.source_shuffle)

    @property
    def schedule_end(self) -> int:
        """Target tokens at which the schedule ends."""
        return self.max_tokens if self.schedule_tokens is None else self.schedule_tokens

    def learning_rate_at(self, tokens: float) -> float:
        """The learning rate of the step that brings the target tokens to ``tokens``."""
        if tokens < self.warmup_tokens:
            return self.learning_rate * tokens / self.warmup_tokens
        left = max(0.0, 1 - (tokens - self.warmup_tokens) / max(1, self.schedule_end - self.warmup_tokens))
        shares = {
            "constant": 1.0,
            "inverse-sqrt": math.sqrt(max(1, self.warmup_tokens) / max(1.0, tokens)),
            "linear": left,
            "cosine": (1 - math.cos(math.pi * left)) / 2,
        }
        return self.learning_rate * shares[self.schedule]
