"""Options of on-policy sampling, known before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from seq2seq_env.ranges import above_zero


@dataclass(frozen=True)
class RolloutConfig:
    """How samples are drawn.

    Raises:
        ValueError: If a number is out of range.
    """

    sources: int = 64
    """Sources of a batch of samples, at least 1."""
    candidates: int = 4
    """Samples of each source, at least 1."""
    temperature: float = 0.8
    """Sampling temperature, above 0."""
    seed: int = 0
    """Random seed of the sources' order and of the samples, from 0."""
    max_samples: int | None = None
    """Samples in all after which the training ends; none draws them until the target tokens are spent."""

    def __post_init__(self) -> None:
        above_zero(self, "sources", "candidates", "temperature")
        if self.max_samples is not None and self.max_samples < self.sources * self.candidates:
            raise ValueError(
                f"max_samples is {self.max_samples}, less than one batch of {self.sources} sources with "
                f"{self.candidates} candidates; give {self.sources * self.candidates} or more"
            )
