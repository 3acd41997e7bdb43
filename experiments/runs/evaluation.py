"""Evaluation of a policy: learned reward, true quality, BLEU, chrF and TER on a split."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from buffers import Samples
from experiments.runs.stopwatch import Stopwatch
from seq2seq_env.bleu_tokenizer import bleu_tokenizer, ter_options
from seq2seq_env.scorers import CachedScorer, Scorer, checked_scores
from seq2seq_env.tasks import Task
from seq2seq_env.writing import is_spaced, words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    from agents import Seq2SeqPolicy

Decode = Literal["sample", "greedy", "beam"]

Written = TypeVar("Written", "list[str]", Samples)

REMEMBERED = 64
"""Translations of a whole split that are kept: of the best weights of a training, and of what the next starts from."""

HOTTEST = 4.0
"""Highest sampling temperature that is tried for the entropy of another policy; near it tokens are drawn at random."""


@dataclass(frozen=True)
class Translations:
    """One hypothesis a source, with all that is known of it.

    Attributes:
        texts: N hypotheses.
        rewards: float32 [N], the learned scorer's.
        qualities: float32 [N], the oracle's; None where the task has no oracle.
        judgements: float32 [N], the judge's; None where there is none.
        nats: Entropy of the policy at the sampling temperature, nats per sampled token on average; None where nothing
            was sampled.
    """

    texts: list[str]
    rewards: NDArray[np.float32]
    qualities: NDArray[np.float32] | None
    judgements: NDArray[np.float32] | None
    nats: float | None = None


class _Metrics(NamedTuple):
    """sacrebleu's, with the references' n-grams counted."""

    bleu: BLEU
    chrf: CHRF
    ter: TER

    @classmethod
    def of(cls, references: list[str], first: int | None = None) -> Self:
        """For references, whose writing decides on the tokenizers; of the first ones alone where a number is given."""
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
        from sacrebleu.metrics.ter import TER

        every = [references[:first]]
        bleu = BLEU(references=every, tokenize=bleu_tokenizer(references))
        return cls(bleu, CHRF(references=every), TER(references=every, **ter_options(references)))


class Evaluator:
    """Translates splits of a task and measures the result.

    Args:
        task: Gives the splits and the oracle.
        scorer: Gives the rewards.
        judge: A second scorer, which measures and, but for a gate, decides nothing.
        temperature: Of the samples; the Grow temperature.
        seed: Of the samples; the same for every policy, so that they differ by the policies alone.
        beams: Hypotheses that beam search holds for each source; 1 for no beam search.
        watch: Takes the time that evaluations take.
    """

    def __init__(
        self,
        task: Task,
        scorer: Scorer,
        *,
        temperature: float,
        seed: int,
        judge: Scorer | None = None,
        beams: int = 1,
        watch: Stopwatch | None = None,
    ) -> None:
        self.task, self.scorer, self.judge, self._watch = task, scorer, judge, watch or Stopwatch()
        # The same random numbers give policies that differ little many equal translations.
        self._scores, self._judge = CachedScorer(scorer), CachedScorer(judge) if judge else None
        self.temperature, self.seed, self._beams = temperature, seed, beams
        # The least recently used first.
        self._written: OrderedDict[tuple[str | float, ...], list[str] | Samples] = OrderedDict()
        self._metrics: dict[str, _Metrics] = {}  # by split

    @property
    def decodes(self) -> tuple[Decode, ...]:
        """Decodings that test translations are measured by."""
        return ("sample", "greedy", "beam") if self._beams > 1 else ("sample", "greedy")

    def reseeded(self, seed: int) -> Self:
        """The same with samples of another seed; both share the scores that they know."""
        other = copy(self)
        other.seed, other._written = seed, OrderedDict()
        return other

    def rescored(self, scorer: Scorer) -> Self:
        """The same by another scorer; both share the translations that they know."""
        other = copy(self)
        other.scorer, other._scores = scorer, CachedScorer(scorer)
        return other

    def validation_reward(self, policy: Seq2SeqPolicy) -> float:
        """Mean reward of one sample for each validation source: what an Improve step watches."""
        sources = self.task.split("validation").sources
        with self._watch("evaluating"):
            samples = self._sampled(policy, "validation", self.temperature)
            return float(checked_scores(self._scores, sources, samples.texts).mean())

    def translations(
        self, policy: Seq2SeqPolicy, split: str, decode: Decode, temperature: float | None = None
    ) -> Translations:
        """Translate a split, by one sample a source, at the Grow temperature or another, greedily or by beam search."""
        sources = self.task.split(split).sources
        oracle, judge = self.task.oracle, self._judge
        with self._watch("evaluating"):
            if decode == "sample":
                samples = self._sampled(policy, split, temperature or self.temperature)
                texts, nats = samples.texts, _nats(samples)
            else:
                texts, nats = self._likeliest(policy, split, decode), None
            rewards = checked_scores(self._scores, sources, texts)
            return Translations(
                texts,
                rewards,
                oracle(sources, texts) if oracle else None,
                checked_scores(judge, sources, texts) if judge else None,
                nats,
            )

    def temperature_of(self, policy: Seq2SeqPolicy, nats: float, split: str) -> float:
        """The lowest temperature, to a hundredth, at which a policy samples with ``nats`` per token of entropy or more.

        Entropy falls with the temperature, so that halving finds it, below the Grow temperature or, where a sharper
        policy has too little there, above it. It is :data:`HOTTEST` where even that gives less.
        """

        def is_below(temperature: float) -> bool:
            with self._watch("evaluating"):
                return _nats(self._sampled(policy, split, temperature)) < nats

        low, high = 0.0, self.temperature
        while is_below(high):
            if high >= HOTTEST:
                return high
            low, high = high, min(2 * high, HOTTEST)
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (middle, high) if is_below(middle) else (low, middle)
        return high

    def best_of(self, policy: Seq2SeqPolicy, split: str, count: int) -> dict[str, float]:
        """Mean reward of samples, and of the best of ``count`` by the reward: what reranking gives without training."""
        sources = self.task.split(split).sources
        with self._watch("evaluating"):
            texts = policy.sample(policy.encode(sources), count, self.temperature, self.seed).texts
            repeated = [source for source in sources for _ in range(count)]
            rewards = checked_scores(self._scores, repeated, texts).reshape(len(sources), count)
        return {"mean": float(rewards.mean(dtype=np.float64)), "best": float(rewards.max(1).mean(dtype=np.float64))}

    def measures(self, translations: Translations, split: str) -> dict[str, float | None]:
        """Means over a split.

        Reward, oracle and judge in [0, 1]; BLEU and chrF in [0, 100]; TER from 0, of samples None, because a thousand
        bad ones take it half a minute; length over the references', in words, or in characters where words have no
        spaces between them; nats per token.
        """
        references = self.task.split(split).references
        if split not in self._metrics:
            self._metrics[split] = _Metrics.of(references)
        metrics, likeliest = self._metrics[split], translations.nats is None
        return {
            "reward": float(translations.rewards.mean()),
            "oracle": _mean(translations.qualities),
            "judge": _mean(translations.judgements),
            "bleu": metrics.bleu.corpus_score(translations.texts, None).score,
            "chrf": metrics.chrf.corpus_score(translations.texts, None).score,
            "ter": metrics.ter.corpus_score(translations.texts, None).score if likeliest else None,
            "length_ratio": _length_ratio(translations.texts, references),
            "nats": translations.nats,
        }

    def kl(self, policy: Seq2SeqPolicy, other: Seq2SeqPolicy, split: str) -> float:
        """``KL(policy || other)`` of a whole translation at the sampling temperature, nats, by one sample a source."""
        sources = policy.encode(self.task.split(split).sources)
        samples = self._sampled(policy, split, self.temperature)
        targets = [samples.tokens[low:high].tolist() for low, high in pairwise(samples.offsets)]
        # A sample comes with its log-probability under its own policy, so that only the other one must read it.
        log_other = other.log_probs(sources, targets, self.temperature)
        return float(samples.log_prob.sum(dtype=np.float64) - sum(row.sum() for row in log_other)) / len(sources)

    def signatures(self) -> dict[str, str]:
        """How sacrebleu computes the test split's scores; it knows only after a first one."""
        references = self.task.split("test").references
        metrics = _Metrics.of(references, 1)
        for metric in metrics:
            metric.corpus_score(references[:1], None)
        return {name: str(metric.get_signature()) for name, metric in metrics._asdict().items()}

    def _sampled(self, policy: Seq2SeqPolicy, split: str, temperature: float) -> Samples:
        """One sample of each source."""
        sources = self.task.split(split).sources
        return self._once(
            (policy.fingerprint, split, temperature),
            lambda: policy.sample(policy.encode(sources), 1, temperature, self.seed),
        )

    def _likeliest(self, policy: Seq2SeqPolicy, split: str, decode: Decode) -> list[str]:
        """Greedy translations, or those by beam search."""
        sources, beams = self.task.split(split).sources, self._beams if decode == "beam" else 1
        return self._once(
            (policy.fingerprint, split, decode),
            lambda: policy.translate(sources, num_beams=beams),
        )

    def _once(self, key: tuple[str | float, ...], write: Callable[[], Written]) -> Written:
        """What is written under a key: by weights, not by object, as agents train a policy in place."""
        written = self._written.pop(key, None)
        self._written[key] = known = write() if written is None else cast("Written", written)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        return known


def _nats(samples: Samples) -> float:
    """Entropy per token, estimated by the samples."""
    return -float(samples.log_prob.mean(dtype=np.float64))


def _mean(values: NDArray[np.float32] | None) -> float | None:
    return None if values is None else float(values.mean())


def _length_ratio(texts: Sequence[str], references: Sequence[str]) -> float:
    spaced = is_spaced(references)
    length, expected = (sum(len(words(text, spaced=spaced)) for text in side) for side in (texts, references))
    return length / max(1, expected)
