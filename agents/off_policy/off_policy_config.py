"""Options of an off-policy evaluation, without its deep-learning library."""

from __future__ import annotations

from dataclasses import dataclass

from seq2seq_env.ranges import above_zero, zero_or_more


@dataclass(frozen=True)
class OffPolicyConfig:
    """Options of an off-policy evaluation.

    Raises:
        ValueError: If a value is out of range.
    """

    samples: int = 4_000
    """Sampled trajectories that are weighed, drawn at random, the same ones for every policy; 0 for no off-policy
    evaluation."""
    fitted_tokens: int = 30_000
    """Target tokens of the training of the action values, at least 1."""
    learning_rate: float = 1e-3
    """Peak learning rate of that training, falling linearly to 0."""
    tokens_per_batch: int = 1_024
    """Token budget of a batch of that training, padding counted."""

    def __post_init__(self) -> None:
        zero_or_more(self, "samples")
        above_zero(self, "fitted_tokens", "learning_rate", "tokens_per_batch")
