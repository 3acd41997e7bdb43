"""Options of the scorer of a task without an oracle, known before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from agents import PolicyConfig, TrainingConfig

NARROWEST = 16
"""Width that no predictor goes below; with fewer pairs than it needs there is no scorer."""


@dataclass(frozen=True)
class HeadConfig:
    """The estimator's size and training."""

    width: int = 32
    """Width of the estimator's layers."""
    dropout: float = 0.1
    """Share of the estimator's inputs dropped in training, from 0 to below 1."""
    epochs: int = 12
    """Passes over the labelled hypotheses at most; the best on a tenth of their sources is kept."""
    sources_per_batch: int = 32
    """Sources of an update, each with all of its hypotheses."""
    learning_rate: float = 1e-3
    """Peak learning rate, above 0."""

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "sources_per_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not 0 <= self.dropout < 1 or not 0 < self.learning_rate < float("inf"):
            raise ValueError(
                f"dropout {self.dropout} or learning_rate {self.learning_rate} is out of range; give 0 to below 1, "
                "and above 0"
            )


@dataclass(frozen=True)
class EstimatorConfig:
    """How the scorer of a task without an oracle is made."""

    folds: int = 2
    """Scorers, each trained without the sources that it will judge; 1 trains one on all pairs of the training split,
    whose sources no policy should then be rewarded on."""
    repeats: int = 2
    """Number of times that scorers are trained, with other folds each time; a score is the mean over them. With 1 fold
    there is one scorer, whatever this says."""
    ratings: Path | None = None
    """Table of rated hypotheses to learn from: source, hypothesis and score, or one of WMT's layouts. None labels
    hypotheses by chrF against the references of held-out sources."""
    labelled_sources: int = 1_500
    """Without ratings, sources of each scorer whose hypotheses are labelled, half of its sources at most; its
    translation models never see them."""
    samples_per_source: int = 8
    """Samples of a translation model for each labelled source, at least 1."""
    corrupted_per_source: int = 2
    """Corrupted samples of each labelled source, beside the others."""
    predictor: PolicyConfig = field(default_factory=lambda: PolicyConfig(d_model=256, ffn_dim=1024, dropout=0.2))
    """Size of both translation models, whose lengths are the task's."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1.5e-3, schedule="linear", tokens_per_batch=2_048, max_tokens=2_500_000, warmup_tokens=50_000
        )
    )
    """Training of each translation model."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """Size and training of the network that judges what both translation models say of a hypothesis."""
    processes: int | None = None
    """Translation models that train at a time, each on its share of the cores; None for one on each core. A network of
    this size gets more from a core of its own than from a second one. On a GPU they train one after the other."""
    device: str = "auto"
    """Device that the networks compute on: "cpu", "cuda", or "auto" for a GPU where there is one."""

    def __post_init__(self) -> None:
        for name in ("folds", "repeats", "labelled_sources", "samples_per_source", "processes"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}; give 1 or more")
        if self.corrupted_per_source < 0:
            raise ValueError(f"corrupted_per_source is {self.corrupted_per_source}; give 0 or more")

    def fitted(self, sources: int) -> Self:
        """The same with predictors as wide as the data allows: a model is no wider than its pairs are many.

        Args:
            sources: Distinct ones of the training split, of which each scorer sees those of the other folds.
        """
        seen = sources * (self.folds - 1) // self.folds if self.folds > 1 else sources
        pairs = seen - min(self.labelled_sources, seen // 2)
        width = self.predictor.d_model
        # Folds are drawn by a hash, and so differ a little in size.
        while width > NARROWEST and width >= 0.8 * pairs:
            width //= 2
        if width == self.predictor.d_model:
            return self
        return replace(self, predictor=replace(self.predictor, d_model=width, ffn_dim=4 * width))
