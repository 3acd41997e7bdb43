"""Decoding strategies: the likeliest translation, a drawn one, the best of several, or the one most agreed with.

Shape letters: C candidates of a source, D distinct ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seq2seq_env.chrf import pairwise_chrf
from seq2seq_env.scorers.scorer import Scorer, checked_scores

if TYPE_CHECKING:
    from agents.policy.seq2seq_policy import Seq2SeqPolicy
    from agents.sampling.engines import TextSampler


class Translation(NamedTuple):
    """What was taken for one source.

    Attributes:
        text: The translation.
        tokens: Target tokens written to find it, those of all candidates.
        score: In [0, 1], of the scorer that chose it; None where none did.
        utility: In [0, 100], its mean chrF with the other candidates; None where that did not choose it.
        truncated: Whether the length limit cut it off before it ended.
    """

    text: str
    tokens: int
    score: float | None = None
    utility: float | None = None
    truncated: bool = False


class _Drawn(NamedTuple):
    """The C candidates of a source."""

    texts: list[str]
    tokens: int
    """Of all of them."""
    truncated: list[bool]

    def taken(self, place: int, **known: float) -> Translation:
        """One of them, with what chose it."""
        return Translation(self.texts[place], self.tokens, **known, truncated=self.truncated[place])


def likeliest(policy: Seq2SeqPolicy, sources: Sequence[str], beams: int = 1) -> list[Translation]:
    """Greedy, or the likeliest hypothesis that beam search finds; see :meth:`Seq2SeqPolicy.translate`.

    Raises:
        ValueError: If ``beams`` is below 1, or a source is empty or too long.
    """
    rows = policy.likeliest_tokens(sources, num_beams=beams)
    end = policy.tokenizer.eos_id
    return [
        Translation(text, row.index(end) + 1 if end in row else len(row), truncated=end not in row)
        for text, row in zip(policy.tokenizer.decode(rows), rows, strict=True)
    ]


def one_sample(sampler: TextSampler, sources: Sequence[str], temperature: float, seed: int) -> list[Translation]:
    """One translation drawn of each source.

    Raises:
        ValueError: If a number is out of range, or a source is empty or too long.
    """
    return [drawn.taken(0) for drawn in _drawn(sampler, sources, 1, temperature, seed)]


def best_of_n(
    sampler: TextSampler, sources: Sequence[str], scorer: Scorer, candidates: int, temperature: float, seed: int
) -> list[Translation]:
    """The candidate of the highest score, the one drawn first where several have it; equal ones are scored once.

    Args:
        sampler: Draws; a policy is one.
        sources: None of them empty.
        scorer: Rates without a reference.
        candidates: C, at least 1.
        temperature: Of the samples, above 0.
        seed: Of the samples.

    Raises:
        ValueError: If a number is out of range, a source is empty or too long, or a score is not in [0, 1].
    """
    drawn = list(_drawn(sampler, sources, candidates, temperature, seed))
    pairs = {(source, text): 0.0 for source, own in zip(sources, drawn, strict=True) for text in own.texts}
    scores = checked_scores(scorer, [source for source, _ in pairs], [text for _, text in pairs])
    pairs.update(zip(pairs, scores.tolist(), strict=True))
    taken = []
    for source, own in zip(sources, drawn, strict=True):
        rated = [pairs[source, text] for text in own.texts]
        best = max(range(candidates), key=rated.__getitem__)
        taken.append(own.taken(best, score=rated[best]))
    return taken


def minimum_bayes_risk(
    sampler: TextSampler, sources: Sequence[str], candidates: int, temperature: float, seed: int
) -> list[Translation]:
    """The candidate that the others agree with most: of the highest mean chrF with all other samples as references.

    Sampling-based minimum Bayes risk decoding (Eikema & Aziz 2020, arXiv 2005.10283, section 5): the samples stand for
    what the policy believes, so a translation drawn often counts often. Equal candidates are compared once. The one
    drawn first wins where several have the highest utility.

    Args:
        sampler: Draws; a policy is one.
        sources: None of them empty.
        candidates: C, at least 2.
        temperature: Of the samples, above 0; the paper's is 1.
        seed: Of the samples.

    Raises:
        ValueError: If a number is out of range, or a source is empty or too long.
    """
    if candidates < 2:
        raise ValueError(f"candidates is {candidates}; minimum Bayes risk compares them, give at least 2")
    taken = []
    for own in _drawn(sampler, sources, candidates, temperature, seed):
        times = Counter(own.texts)
        distinct = list(times)
        chrf = pairwise_chrf(distinct)  # [D,D]
        # All samples but the candidate's own one.
        utility = (chrf @ np.array([*times.values()]) - chrf.diagonal()) / (candidates - 1)
        best = int(utility.argmax())
        taken.append(own.taken(own.texts.index(distinct[best]), utility=float(utility[best])))
    return taken


def _drawn(
    sampler: TextSampler, sources: Sequence[str], candidates: int, temperature: float, seed: int
) -> Iterator[_Drawn]:
    """What was drawn for each source."""
    samples = sampler.sample(sampler.encode(sources), candidates, temperature, seed)
    for low in range(0, len(samples), candidates):
        high = low + candidates
        tokens = int(samples.offsets[high] - samples.offsets[low])
        yield _Drawn(samples.texts[low:high], tokens, (~samples.terminated[low:high]).tolist())
