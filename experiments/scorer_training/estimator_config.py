"""Options of the scorer of a task without an oracle, known before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from agents import PolicyConfig, TrainingConfig

QualityName = Literal["chrf1", "chrf2", "bleu", "ter"]
"""Measures of a hypothesis against its reference."""

NARROWEST = 16
"""Width that no predictor goes below; with fewer pairs than it needs there is no scorer."""

PAIRS_PER_FEATURE = 8
"""Pairs that a predictor's width wants at least, for each of its features; fewer are learned by heart."""

LABELLED_SHARE = 4
"""At most one source in so many is labelled, so that most pairs are left to the translation models."""

EVALUATIONS = 12
"""Of the held-out loss in a training that spends its whole budget."""


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
    repeats: int = 1
    """Number of times that scorers are trained, with other folds each time; a score is the mean over them. Each repeat
    costs as much again, in training and in every score. With 1 fold there is one scorer, whatever this says."""
    ratings: Path | None = None
    """Table of rated hypotheses to learn from: source, hypothesis and score, or one of WMT's layouts. None labels
    hypotheses by their labels' measure against the references of held-out sources."""
    label: QualityName = "chrf1"
    """Measure of hypotheses against references that labels are, without ratings: "chrf1", chrF that weighs precision
    and recall alike; "chrf2", the usual one, whose love of recall makes a policy's translations grow; "bleu", sentence
    BLEU; or "ter", exp(-TER)."""
    labelled_sources: int = 1_000
    """Without ratings, sources of each scorer whose hypotheses are labelled, a quarter of its sources at most; its
    translation models do not learn from them, and stop when the loss on them does not fall any more."""
    samples_per_source: int = 8
    """Samples of a translation model for each labelled source, at least 1."""
    corrupted_per_source: int = 2
    """Corrupted samples of each labelled source, beside the others."""
    predictor: PolicyConfig = field(default_factory=lambda: PolicyConfig(d_model=256, ffn_dim=1024, dropout=0.2))
    """Size of the translation model from source to target, whose lengths are the task's. Where it is not changed, few
    pairs get a narrower one."""
    backward_width: float = 0.5
    """Width of the translation model of the other direction as a share of that one's, above 0 and at most 1; it only
    reads, and weighs what the other one writes."""
    epochs: int = 20
    """Passes of a translation model over its pairs at most, within training.max_tokens."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            learning_rate=1.5e-3,
            schedule="linear",
            tokens_per_batch=2_048,
            max_tokens=1_500_000,
            warmup_tokens=50_000,
            patience=2,
        )
    )
    """Training of each translation model. Its budget is also bounded by the number of passes, the warmup by a tenth of
    the budget, and the held-out loss is looked at twelve times in it, whatever evaluate-every says."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """Size and training of the network that judges what both translation models say of a hypothesis."""
    processes: int | None = None
    """Translation models that train at a time, each on its share of the cores; None for one on each core. A network of
    this size gets more from a core of its own than from a second one. On a GPU they train one after the other."""
    device: str = "auto"
    """Device that the networks compute on: "cpu", "cuda", or "auto" for a GPU where there is one."""

    def __post_init__(self) -> None:
        for name in ("folds", "repeats", "labelled_sources", "samples_per_source", "epochs", "processes"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}; give 1 or more")
        if self.corrupted_per_source < 0:
            raise ValueError(f"corrupted_per_source is {self.corrupted_per_source}; give 0 or more")
        if self.predictor.architecture != "encoder-decoder":
            raise ValueError(f"predictor.architecture is {self.predictor.architecture}; a scorer needs encoder-decoder")
        if not 0 < self.backward_width <= 1:
            raise ValueError(f"backward_width is {self.backward_width}; give a share above 0 and at most 1")

    def fitted(self, sources: int) -> Self:
        """The same with predictors as wide as the data allows.

        Args:
            sources: Distinct ones of the training split, of which each scorer sees those of the other folds.
        """
        seen = sources * (self.folds - 1) // self.folds if self.folds > 1 else sources
        # Folds are drawn by a hash, and so differ a little in size.
        pairs = 0.9 * (seen - self.labelled_of(seen))
        width = self.predictor.d_model
        while width > NARROWEST and width * PAIRS_PER_FEATURE > pairs:
            width //= 2
        if width == self.predictor.d_model:
            return self
        return replace(self, predictor=replace(self.predictor, d_model=width, ffn_dim=4 * width))

    def labelled_of(self, sources: int) -> int:
        """How many of a scorer's own sources are labelled."""
        return min(self.labelled_sources, sources // LABELLED_SHARE)

    def budget(self, target_tokens: int) -> TrainingConfig:
        """Training of a translation model.

        Args:
            target_tokens: Of all of its pairs, at least 1.
        """
        most = min(self.training.max_tokens, self.epochs * target_tokens)
        warmup = min(self.training.warmup_tokens, max(1, most // 10))
        return replace(self.training, max_tokens=most, warmup_tokens=warmup, evaluate_every=max(1, most // EVALUATIONS))

    @property
    def backward(self) -> PolicyConfig:
        """Size of the translation model from target to source."""
        heads, width = self.predictor.num_heads, self.predictor.d_model
        narrow = max(heads, round(width * self.backward_width / heads) * heads)
        return replace(self.predictor, d_model=narrow, ffn_dim=max(1, self.predictor.ffn_dim * narrow // width))
