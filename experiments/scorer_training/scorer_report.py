"""How far a scorer can be trusted: agreement with true quality, and the unit tests of a reward model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, pearsonr

from experiments.scorer_training.corruptions import HELD_OUT_TESTS, UNIT_TESTS
from experiments.scorer_training.rank_accuracy import rank_accuracy
from seq2seq_env.scorers import Scorer, checked_scores
from seq2seq_env.tasks import Oracle, Split, Task


@dataclass(frozen=True)
class Agreement:
    """Agreement of scores with true qualities; None where there is nothing to compare.

    Attributes:
        pairs: Hypotheses rated.
        pearson: Linear correlation over all of them.
        kendall: Kendall's tau-b over all of them.
        pairwise: Share of pairs of hypotheses of one source with different quality that the score puts in the right
            order; a tie counts half.
        pairwise_error: Its standard error over sources.
        exact_auc: Probability that a faultless hypothesis of a source scores above a faulty one of the same source.
    """

    pairs: int
    pearson: float | None
    kendall: float | None
    pairwise: float | None
    pairwise_error: float | None
    exact_auc: float | None


@dataclass(frozen=True)
class UnitTest:
    """What one kind of corruption does to the score of right translations; None where no sentence allows it.

    Attributes:
        cases: Sentences that allow the corruption.
        falls: Share of them whose score falls.
        mean_fall: By how much, on average.
        effect_size: The mean fall over its standard deviation.
    """

    cases: int
    falls: float | None
    mean_fall: float | None
    effect_size: float | None


@dataclass(frozen=True)
class Paraphrases:
    """What the scorer says of other right wordings than the reference's.

    Attributes:
        cases: Sources that have other wordings, of which one each is taken.
        kept: Share of them whose score is within ``WITHIN`` of the reference's; None where there is no case.
        mean: Mean score of the other wordings.
        mean_reference: Mean score of the references.
    """

    cases: int
    kept: float | None
    mean: float | None
    mean_reference: float | None


WITHIN = 0.1
"""By how much a right paraphrase may differ in score from the reference."""


def agreement(sources: Sequence[str], qualities: NDArray[np.float32], scores: NDArray[np.float32]) -> Agreement:
    """Agreement over ``[N]`` hypotheses; rows with the same source are compared with each other."""
    ranks = rank_accuracy(sources, qualities, scores)
    # Of a faultless and a faulty hypothesis the first is the better.
    exact = rank_accuracy(sources, (qualities == 1).astype(np.float32), scores)
    varied = np.ptp(qualities) > 0 and np.ptp(scores) > 0
    return Agreement(
        len(sources),
        float(pearsonr(qualities, scores).statistic) if varied else None,
        float(kendalltau(qualities, scores).statistic) if varied else None,
        None if ranks is None else ranks.value,
        None if ranks is None else ranks.error,
        None if exact is None else exact.value,
    )


def unit_tests(scorer: Scorer, split: Split, oracle: Oracle, seed: int) -> dict[str, UnitTest]:
    """Corrupt every right reference of ``split`` in every way and see whether the score falls.

    A corruption that leaves a translation faultless by the oracle is left out.
    """
    whole = checked_scores(scorer, split.sources, split.references)
    results = {}
    for name, corruption in (UNIT_TESTS | HELD_OUT_TESTS).items():
        random = Random(f"{seed}/{name}")
        texts = []
        for source, reference in zip(split.sources, split.references, strict=True):
            other = split.references[random.randrange(len(split))]
            texts.append(corruption(random, source, reference, other))
        rows = [row for row, text in enumerate(texts) if text is not None]
        sources, corrupted = [split.sources[row] for row in rows], [text for text in texts if text is not None]
        worse = oracle(sources, corrupted) < 1
        falls = (whole[rows] - checked_scores(scorer, sources, corrupted))[worse]
        results[name] = _unit_test(falls)
    return results


def paraphrases(scorer: Scorer, task: Task, split: str, seed: int) -> Paraphrases:
    """Score another right wording of each source of a split, drawn from those that the task knows."""
    random, pairs = Random(f"{seed}/paraphrases"), task.split(split)
    sources, references, others = [], [], []
    for source, reference in zip(pairs.sources, pairs.references, strict=True):
        if wordings := [wording for wording in task.wordings(source) if wording != reference]:
            sources.append(source)
            references.append(reference)
            others.append(random.choice(wordings))
    if not sources:
        return Paraphrases(0, None, None, None)
    whole, other = checked_scores(scorer, sources, references), checked_scores(scorer, sources, others)
    kept = float((np.abs(whole - other) <= WITHIN).mean())
    return Paraphrases(len(sources), kept, float(other.mean()), float(whole.mean()))


def _unit_test(falls: NDArray[np.float32]) -> UnitTest:
    if not len(falls):
        return UnitTest(0, None, None, None)
    mean, spread = float(falls.mean()), float(falls.std())
    return UnitTest(len(falls), float((falls > 0).mean()), mean, mean / spread if spread else None)


@dataclass(frozen=True)
class ScorerReport:
    """What is known of a scorer.

    Attributes:
        agreements: By the kind of hypotheses.
        unit_tests: By the kind of corruption.
        paraphrases: Of right wordings; None where the task knows but one.
    """

    agreements: dict[str, Agreement]
    unit_tests: dict[str, UnitTest]
    paraphrases: Paraphrases | None = None

    def numbers(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "agreement": {name: asdict(each) for name, each in self.agreements.items()},
            "unit_tests": {name: asdict(each) for name, each in self.unit_tests.items()},
            "paraphrases": None if self.paraphrases is None else asdict(self.paraphrases),
        }

    def markdown(self) -> str:
        """Tables, and a sentence on paraphrases; of the accuracy also its standard error."""
        lines = [
            "| hypotheses | pairs | Pearson | Kendall tau | within-source accuracy | faultless first |",
            "|---|---|---|---|---|---|",
        ]
        for name, a in self.agreements.items():
            accuracy = f"{_number(a.pairwise)} ± {_number(a.pairwise_error)}"
            numbers = " | ".join([_number(a.pearson), _number(a.kendall), accuracy, _number(a.exact_auc)])
            lines.append(f"| {name} | {a.pairs} | {numbers} |")
        lines += ["", "| unit test | cases | score falls | mean fall | effect size |", "|---|---|---|---|---|"]
        for name, t in self.unit_tests.items():
            share = "-" if t.falls is None else f"{t.falls:.1%}"
            kind = f"{name} (not trained on)" if name in HELD_OUT_TESTS else name
            lines.append(f"| {kind} | {t.cases} | {share} | {_number(t.mean_fall)} | {_number(t.effect_size)} |")
        if (right := self.paraphrases) and right.kept is not None:
            kept = f"{right.kept:.1%} of {right.cases} other right wordings score within {WITHIN} of their reference"
            lines += [
                "",
                f"{kept}, {_number(right.mean)} on average; the references get {_number(right.mean_reference)}.",
            ]
        return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
