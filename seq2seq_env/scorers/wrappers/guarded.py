"""Guarded scorer: another scorer, whose rewards for what breaks a rule are lowered or refused."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seq2seq_env.scorers.scorer import Scorer, checked_scores
from seq2seq_env.scorers.spec import ScorerKind, ScorerSpec, task_missing
from seq2seq_env.scorers.wrappers import guard_rules
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks.task import Task

GUARD_RULES = ("empty", "length", "copy", "repetition", "numbers", "language")
"""Names of all rules."""

CALIBRATION_PAIRS = 3_000
"""Pairs of a task's training split that thresholds are taken from, evenly spread over it; all where it has fewer."""

LEAST_SHARE = 0.5
"""Of references that the identifier must take for one language before it may judge by it."""

Limits = tuple[float, float]
"""Smallest and largest value that breaks no rule."""

_PAIR_RULES: dict[str, Callable[[str, str], float]] = {
    "length": guard_rules.log_length_ratio,
    "copy": guard_rules.copied_share,
    "repetition": guard_rules.repeated_units,
    "numbers": guard_rules.changed_numbers,
}

_NUMBERS_VERSION = 2
"""Raised with every change of what the rule "numbers" counts: other rewards of the same limits are another scorer's."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuardOptions:
    """What a specification may say of guards."""

    rules: str = ",".join(GUARD_RULES)
    """Names of the rules, with commas."""
    quantile: float = 0.995
    """Share of the references that break no one rule, at least 0.5 and below 1, of those to which it applies."""
    language: str = "auto"
    """Code of the target language; "auto" is what the identifier takes most references for."""
    penalty: float = 1.0
    """Share of the score that each broken rule takes, above 0 and at most 1, which refuses: the score is 0."""


@dataclass(frozen=True)
class Guards:
    """Rules with the limits that a task's references keep.

    Attributes:
        limits: Of each rule's number (:mod:`seq2seq_env.scorers.wrappers.guard_rules`); "empty" needs none.
        language: The target's, for the rule "language".
    """

    limits: Mapping[str, Limits]
    language: str | None = None

    @classmethod
    def calibrated(
        cls,
        sources: Sequence[str],
        references: Sequence[str],
        rules: Sequence[str] = GUARD_RULES,
        quantile: float = GuardOptions.quantile,
        language: str = GuardOptions.language,
    ) -> Guards:
        """Rules with limits at quantiles of what references do.

        Of the length both tails are cut, with half of the rest each; of the others the upper one. The limit of
        "numbers" is from the pairs that have any in digits; without such a pair, none may be lost or added.

        Args:
            sources: N, at least one.
            references: N.
            rules: Names, some of :data:`GUARD_RULES`.
            quantile: Share of the references that keep each rule.
            language: Code of the target language, or "auto".

        Raises:
            ValueError: If there is no pair, no such rule or language, the quantile is out of range, or the identifier
                takes less than half of the references for one language.
            ImportError: If the rule "language" is wanted and the extra ``langid`` is not installed.
        """
        for rule in rules:
            check_name("guard", rule, GUARD_RULES)
        if not rules:
            raise ValueError(f"a guarded scorer without rules guards nothing; name some of {', '.join(GUARD_RULES)}")
        if not 0.5 <= quantile < 1:
            raise ValueError(f"quantile is {quantile}; give a share of references, at least 0.5 and below 1")
        if not len(references):
            raise ValueError("there are no references to take the guards' limits from; give at least one pair")
        limits: dict[str, Limits] = {}
        for rule in (rule for rule in GUARD_RULES if rule in rules):
            if rule in _PAIR_RULES:
                pairs = list(zip(sources, references, strict=True))
                if rule == "numbers":
                    pairs = [pair for pair in pairs if guard_rules.has_numbers(*pair)]
                limits[rule] = _limits([_PAIR_RULES[rule](*pair) for pair in pairs], rule == "length", quantile)
            else:
                limits[rule] = (-np.inf, np.inf)
        if "language" not in rules:
            return cls(limits)
        language = _language(references) if language == "auto" else language
        check_name("language", language, guard_rules.known_languages())
        limits["language"] = _limits(guard_rules.other_language(references, language), False, quantile)
        return cls(limits, language)

    @classmethod
    def of_task(cls, task: Task, options: GuardOptions | None = None) -> Guards:
        """Calibrated on a task's training references.

        Raises:
            ValueError: As for :meth:`calibrated`.
            ImportError: As for :meth:`calibrated`.
        """
        options = options or GuardOptions()
        size = task.size("train")
        rows = sorted(set(np.linspace(0, size - 1, min(size, CALIBRATION_PAIRS)).astype(int).tolist()))
        pairs = [task.pair("train", row) for row in rows]
        sources, references = [source for source, _ in pairs], [reference or "" for _, reference in pairs]
        names = [name for name in options.rules.split(",") if name]
        return cls.calibrated(sources, references, names, options.quantile, options.language)

    def hits(self, sources: Sequence[str], hypotheses: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
        """Whether each pair breaks a rule, bool [N] by rule; what breaks "empty", if that is one, breaks no other."""
        empty = np.array([guard_rules.is_empty(text) for text in hypotheses], dtype=np.bool_)
        broken = {}
        for rule, limits in self.limits.items():
            if rule == "empty":
                broken[rule] = empty
                continue
            if rule in _PAIR_RULES:
                values = [_PAIR_RULES[rule](*pair) for pair in zip(sources, hypotheses, strict=True)]
            else:
                assert self.language is not None
                values = guard_rules.other_language(hypotheses, self.language)
            numbers = np.asarray(values, dtype=np.float64)
            broken[rule] = (numbers < limits[0]) | (numbers > limits[1])
            if "empty" in self.limits:
                broken[rule] &= ~empty
        return broken

    def counts(self, sources: Sequence[str], hypotheses: Sequence[str]) -> dict[str, int]:
        """How many of the pairs break each rule, and under "any" how many break at least one."""
        broken = self.hits(sources, hypotheses)
        some = np.any(list(broken.values()), axis=0) if broken else np.zeros(0, dtype=np.bool_)
        return {rule: int(each.sum()) for rule, each in (*broken.items(), ("any", some))}


class GuardedScorer(ScorerKind):
    """Another scorer's scores, less ``penalty`` of them for each rule that a hypothesis breaks.

    What a rule is, and what it takes for broken, does not depend on the scorer: a policy that is trained on the guarded
    scores cannot gain by an empty, copied, repeating, much too long or short translation, one in another language, or
    one with other numbers, whatever the scorer inside thinks of it.

    ```python
    >>> from seq2seq_env import load_scorer, load_task
    >>> task = load_task("phrasebook-de-en", train_size=200)
    >>> scorer = load_scorer("guarded: rules=empty,length,copy,repetition,numbers phrasebook-qe", task=task)
    >>> scorer.guards.counts(["Guten Morgen."] * 2, ["Good morning.", "Guten Morgen."])["copy"]
    1

    ```

    Args:
        scorer: What is wrapped.
        guards: The rules; None until :meth:`for_task`, and nothing can be scored before.
        penalty: Share of the score that each broken rule takes, above 0 and at most 1, which refuses.
        options: What :meth:`for_task` goes by.

    Raises:
        ValueError: If the penalty is out of range.
    """

    def __init__(
        self, scorer: Scorer, guards: Guards | None, *, penalty: float = 1.0, options: GuardOptions | None = None
    ) -> None:
        if not 0 < penalty <= 1:
            raise ValueError(f"penalty is {penalty}; give a share of the score, above 0 and at most 1")
        self.scorer, self.penalty = scorer, penalty
        self._guards, self._options = guards, options

    @classmethod
    def from_spec(cls, spec: ScorerSpec, *, device: str, load: Callable[[str], Scorer]) -> GuardedScorer:
        """The scorer that the one word names, guarded; see :meth:`ScorerKind.from_spec`."""
        options = GuardOptions(**spec.keyword_arguments(GuardOptions))
        (name,) = spec.scorer_names(1, "one")
        return cls(load(name), None, penalty=options.penalty, options=options)

    def for_task(self, task: Task) -> GuardedScorer:
        """The same with the rules that the task's references keep; see :meth:`ScorerKind.for_task`."""
        if self._guards is not None:
            return self
        guards = Guards.of_task(task, self._options)
        never = [rule for rule, (_, high) in guards.limits.items() if rule == "copy" and high >= 1]
        for rule in never:
            _LOG.warning("the guard %r never fires: references copy their sources whole", rule)
        return GuardedScorer(self.scorer, guards, penalty=self.penalty, options=self._options)

    @property
    def guards(self) -> Guards:
        """The rules.

        Raises:
            ValueError: If there are none yet.
        """
        if self._guards is None:
            raise task_missing("a guarded scorer takes its limits from a task's references")
        return self._guards

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the scorer's fingerprint, the rules with their limits, and the penalty."""
        guards = self.guards
        version = (_NUMBERS_VERSION,) if "numbers" in guards.limits else ()
        parts = (self.scorer.fingerprint, sorted(guards.limits.items()), guards.language, self.penalty, *version)
        return hashlib.sha256(f"guarded\0{parts!r}".encode()).hexdigest()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        """``[N]`` float32 in [0, 1].

        Raises:
            ValueError: If the rules are not known yet, sources and hypotheses differ in number, or the scorer gives no
                number in [0, 1].
        """
        guards = self.guards
        scores = checked_scores(self.scorer, sources, hypotheses)
        broken = np.sum(list(guards.hits(sources, hypotheses).values()), axis=0, dtype=np.int64)
        kept = np.where(broken > 0, (1 - self.penalty) ** broken, 1.0)
        return np.asarray(scores * kept, dtype=np.float32)


def _limits(values: ArrayLike, both: bool, quantile: float) -> Limits:
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size:
        return (-np.inf, 0.0)
    # No interpolation: the limit is what a reference does, and a count stays whole.
    low, high = ((1 - quantile) / 2, 1 - (1 - quantile) / 2) if both else (None, quantile)
    least = -np.inf if low is None else float(np.quantile(numbers, low, method="lower"))
    return least, float(np.quantile(numbers, high, method="higher"))


def _language(references: Sequence[str]) -> str:
    language, share = guard_rules.likeliest_language(references)
    if share < LEAST_SHARE:
        raise ValueError(
            f"the language identifier takes only {share:.0%} of the references for one language ({language}), so that "
            "it cannot guard theirs; leave language out of the guard's rules, or name it with language=CODE"
        )
    return language
