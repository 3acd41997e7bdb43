"""What a translation is worth: (sources, hypotheses) to scores in [0, 1]."""

from __future__ import annotations

from seq2seq_env.scorers.cache import CachedScorer
from seq2seq_env.scorers.cross_fit import CrossFittedScorer
from seq2seq_env.scorers.ensemble import EnsembleScorer
from seq2seq_env.scorers.estimator import EstimatorScorer
from seq2seq_env.scorers.learned import LearnedScorer
from seq2seq_env.scorers.loading import KINDS, SCORERS, has_kind, load_scorer
from seq2seq_env.scorers.metricx import MetricXScorer
from seq2seq_env.scorers.normalised import NormalisedScorer, affine_knots, quantile_knots
from seq2seq_env.scorers.pairs import EncodedPair, PairEncoder
from seq2seq_env.scorers.process import ProcessScorer, ScorerProcessError
from seq2seq_env.scorers.scorer import Scorer, checked_scores, raw_scores

__all__ = [
    "KINDS",
    "SCORERS",
    "CachedScorer",
    "CrossFittedScorer",
    "EncodedPair",
    "EnsembleScorer",
    "EstimatorScorer",
    "LearnedScorer",
    "MetricXScorer",
    "NormalisedScorer",
    "PairEncoder",
    "ProcessScorer",
    "Scorer",
    "ScorerProcessError",
    "affine_knots",
    "checked_scores",
    "has_kind",
    "load_scorer",
    "quantile_knots",
    "raw_scores",
]
