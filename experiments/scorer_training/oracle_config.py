"""Options of the scorer of a task with an oracle, known before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_RATINGS = 20_000
"""What the human raters whom the oracle stands for could be asked."""


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the network."""

    width: int = 128
    """Width of the hidden states."""
    layers: int = 4
    """Transformer layers."""
    heads: int = 4
    """Attention heads of a layer."""
    feed_forward: int = 512
    """Width of the feed-forward layers."""
    dropout: float = 0.05
    """Dropout probability."""
    max_tokens: int = 128
    """Longest pair of source and hypothesis, in tokens, special tokens included."""


@dataclass(frozen=True)
class OracleConfig:
    """How the scorer of a task with an oracle is made.

    Raises:
        ValueError: If there are more ratings than the oracle gives, or fewer than one source has.
    """

    regime: str = "scorer-v1"
    """Regime of the task that the scorer learns from; no other regime's splits hold its sources, so that no policy is
    rewarded on what the scorer was trained on."""
    pairs: int = 60_000
    """Sentence pairs to pre-train on, and to draw rated sources from."""
    few_pairs: int = 4_000
    """Pairs that every second weak policy is trained on, so that errors of policies with little data are rated, too."""
    masking_epochs: int = 4
    """Passes over the pairs in which the network guesses masked tokens of the translation."""
    corruption_epochs: int = 3
    """Passes over the pairs in which the network finds synthetic corruptions."""
    ratings: int = 20_000
    """Hypotheses that the oracle rates, at most 20,000."""
    rated_per_source: int = 8
    """Rated hypotheses of each source."""
    wordings: int = 2
    """Right wordings among the rated hypotheses of a source that has as many."""
    rating_epochs: int = 8
    """Passes over the ratings."""
    policies: int = 2
    """Weak policies whose samples are rated, each at four stages of its training."""
    policy_tokens: int = 600_000
    """Target tokens that each weak policy is trained on."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Size of the scorer's network."""
    learning_rate: float = 1e-3
    """Peak learning rate of the pre-training; the ratings are learned at a third of it."""
    batch_size: int = 32
    """Pairs of each update."""

    def __post_init__(self) -> None:
        if not self.rated_per_source <= self.ratings <= MAX_RATINGS:
            raise ValueError(
                f"ratings is {self.ratings}; give rated_per_source ({self.rated_per_source}) to {MAX_RATINGS}"
            )
