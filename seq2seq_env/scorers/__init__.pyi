from .cache import CachedScorer
from .cross_fit import CrossFittedScorer
from .ensemble import EnsembleScorer
from .estimator import EstimatorScorer
from .learned import LearnedScorer
from .loading import KINDS, SCORERS, has_kind, load_scorer
from .metricx import MetricXScorer
from .normalised import NormalisedScorer, affine_knots, quantile_knots
from .pairs import EncodedPair, PairEncoder
from .process import ProcessScorer, ScorerProcessError
from .scorer import Scorer, checked_scores, raw_scores

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
