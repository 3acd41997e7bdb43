"""What a policy is worth: learned reward, true quality, BLEU and chrF on a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from agents import Seq2SeqPolicy
from experiments.stopwatch import Stopwatch
from seq2seq_env.scorers import CachedScorer, Scorer, checked_scores
from seq2seq_env.tasks import Task

Decode = Literal["sample", "greedy"]


@dataclass(frozen=True)
class Translations:
    """One hypothesis a source, with all that is known of it.

    Attributes:
        texts: N hypotheses.
        rewards: float32 [N], the learned scorer's.
        qualities: float32 [N], the oracle's; None where the task has no oracle.
    """

    texts: list[str]
    rewards: NDArray[np.float32]
    qualities: NDArray[np.float32] | None


class Evaluator:
    """Translates splits of a task and measures the result.

    Args:
        task: Gives the splits and the oracle.
        scorer: Gives the rewards.
        temperature: Of the samples; the Grow temperature.
        seed: Of the samples; the same for every policy, so that they differ by the policies alone.
        watch: Takes the time that evaluations take.
    """

    def __init__(
        self, task: Task, scorer: Scorer, *, temperature: float, seed: int, watch: Stopwatch | None = None
    ) -> None:
        self.task, self.scorer, self._watch = task, scorer, watch or Stopwatch()
        # The same random numbers give policies that differ little many equal translations.
        self._scores = CachedScorer(scorer)
        self.temperature, self.seed = temperature, seed
        self._bleu, self._chrf = BLEU(), CHRF()

    def validation_reward(self, policy: Seq2SeqPolicy) -> float:
        """Mean reward of one sample for each validation source: what an Improve step watches."""
        sources = self.task.split("validation").sources
        with self._watch("evaluating"):
            samples = policy.sample(sources, 1, self.temperature, self.seed)
            return float(checked_scores(self._scores, sources, samples.texts).mean())

    def translations(self, policy: Seq2SeqPolicy, split: str, decode: Decode) -> Translations:
        """Translate a split, by one sample a source or greedily."""
        sources = self.task.split(split).sources
        oracle = self.task.oracle
        with self._watch("evaluating"):
            if decode == "greedy":
                texts = policy.translate(sources)
            else:
                texts = policy.sample(sources, 1, self.temperature, self.seed).texts
            rewards = checked_scores(self._scores, sources, texts)
            return Translations(texts, rewards, oracle(sources, texts) if oracle else None)

    def measures(self, translations: Translations, split: str) -> dict[str, float | None]:
        """Means over a split: reward, oracle in [0, 1]; BLEU, chrF in [0, 100]; length ratio to the references."""
        references = self.task.split(split).references
        qualities = translations.qualities
        return {
            "reward": float(translations.rewards.mean()),
            "oracle": None if qualities is None else float(qualities.mean()),
            "bleu": self._bleu.corpus_score(translations.texts, [references]).score,
            "chrf": self._chrf.corpus_score(translations.texts, [references]).score,
            "length_ratio": _words(translations.texts) / _words(references),
        }

    def kl(self, policy: Seq2SeqPolicy, other: Seq2SeqPolicy, split: str) -> float:
        """``KL(policy || other)`` of a whole translation at the sampling temperature, nats, by one sample a source."""
        sources = self.task.split(split).sources
        samples = policy.sample(sources, 1, self.temperature, self.seed)
        targets = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
        log_other = other.log_probs(sources, targets, self.temperature)
        return float(samples.log_prob.sum(dtype=np.float64) - sum(row.sum() for row in log_other)) / len(sources)

    def signatures(self) -> dict[str, str]:
        """How sacrebleu computes its scores; it knows only after a first one."""
        for metric in (self._bleu, self._chrf):
            metric.corpus_score(["a"], [["a"]])
        return {"bleu": str(self._bleu.get_signature()), "chrf": str(self._chrf.get_signature())}


def _words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)
