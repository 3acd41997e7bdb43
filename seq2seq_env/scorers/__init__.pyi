from .loading import KINDS, SCORERS, has_kind, load_scorer
from .models.learned import LearnedScorer
from .models.lexical import LexicalOptions, LexicalScorer
from .models.metricx import MetricXScorer
from .models.pairs import PairEncoder
from .models.process import ProcessScorer, ScorerProcessError
from .predictor_estimator.estimator import EstimatorScorer
from .scorer import Scorer, checked_scores, raw_scores
from .spec import ScorerKind, ScorerSpec
from .wrappers.cache import CachedScorer
from .wrappers.cascade import CascadeScorer, cascade_gate
from .wrappers.cross_fit import CrossFittedScorer
from .wrappers.ensemble import EnsembleScorer
from .wrappers.guarded import GUARD_RULES, GuardedScorer, GuardOptions, Guards
from .wrappers.normalised import NormalisedScorer, affine_knots, quantile_knots
from .wrappers.pool import PoolScorer

__all__ = [
    "GUARD_RULES",
    "KINDS",
    "SCORERS",
    "CachedScorer",
    "CascadeScorer",
    "CrossFittedScorer",
    "EnsembleScorer",
    "EstimatorScorer",
    "GuardOptions",
    "GuardedScorer",
    "Guards",
    "LearnedScorer",
    "LexicalOptions",
    "LexicalScorer",
    "MetricXScorer",
    "NormalisedScorer",
    "PairEncoder",
    "PoolScorer",
    "ProcessScorer",
    "Scorer",
    "ScorerKind",
    "ScorerProcessError",
    "ScorerSpec",
    "affine_knots",
    "cascade_gate",
    "checked_scores",
    "has_kind",
    "load_scorer",
    "quantile_knots",
    "raw_scores",
]
