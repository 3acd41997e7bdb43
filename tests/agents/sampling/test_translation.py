"""The decision rules: which translation is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sacrebleu.metrics.chrf import CHRF

import agents.sampling.translation as module
from agents import Seq2SeqPolicy, best_of_n, likeliest, minimum_bayes_risk, one_sample
from buffers import Samples
from seq2seq_env.chrf import pairwise_chrf
from seq2seq_env.scorers import Scorer
from seq2seq_env.tasks.task import Task

TEXTS = ["the red house", "a red house", "the red house.", "aaaa", "aa a", "", "x", "Straße — ñ", "the the the red"]


def chrf(hypothesis: str, reference: str) -> float:
    return float(CHRF().sentence_score(hypothesis, [reference]).score)


def test_pairwise_chrf_is_sacrebleus() -> None:
    expected = [[chrf(hypothesis, reference) for reference in TEXTS] for hypothesis in TEXTS]
    np.testing.assert_allclose(pairwise_chrf(TEXTS), expected, rtol=0, atol=1e-9)
    assert pairwise_chrf([""]).tolist() == [[0.0]]
    assert pairwise_chrf([]).shape == (0, 0)


class Fixed:
    """A sampler whose candidates are known: each word is a token."""

    fingerprint = engine = "fixed"

    def __init__(self, candidates: dict[str, list[str]]) -> None:
        self.candidates = candidates

    def encode(self, sources: Sequence[str]) -> list[list[int]]:
        return [[list(self.candidates).index(source)] for source in sources]

    def sample(self, sources: Sequence[Sequence[int]], num_candidates: int, temperature: float, seed: int) -> Samples:
        assert (temperature, seed) == (0.9, 7)
        drawn = list(self.candidates.values())
        texts = [text for [place] in sources for text in drawn[place]]
        assert len(texts) == len(sources) * num_candidates
        lengths = [len(text.split()) + 1 for text in texts]
        return Samples(
            source_index=np.repeat(np.arange(len(sources)), num_candidates),
            offsets=np.array([0, *np.cumsum(lengths)]),
            tokens=np.zeros(sum(lengths), dtype=np.int32),
            log_prob=np.zeros(sum(lengths), dtype=np.float32),
            terminated=np.ones(len(texts), dtype=np.bool_),
            texts=texts,
        )

    def log_probs(self, *_: Any) -> list[NDArray[np.float32]]:
        raise AssertionError


class Listed:
    """A scorer of known scores, which remembers what it was asked."""

    fingerprint = "listed"

    def __init__(self, scores: dict[tuple[str, str], float]) -> None:
        self.scores, self.asked = scores, list[list[tuple[str, str]]]()

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(zip(sources, hypotheses, strict=True)))
        return np.array([self.scores[pair] for pair in self.asked[-1]], dtype=np.float32)


def test_best_of_n_takes_the_best_score_and_asks_once_for_each_pair() -> None:
    sampler = Fixed({"s": ["a", "b", "a", "c c"], "t": ["a", "b", "b", "b"]})
    scores = {("s", "a"): 0.25, ("s", "b"): 0.5, ("s", "c c"): 0.5, ("t", "a"): 0.75, ("t", "b"): 0.5}
    scorer = Listed(scores)
    taken = best_of_n(sampler, ["s", "t"], scorer, 4, 0.9, 7)
    # Of equal scores the first drawn; tokens are those of all candidates.
    assert taken == [("b", 9, 0.5, None, False), ("a", 8, 0.75, None, False)]
    assert scorer.asked == [[*scores]]


def test_minimum_bayes_risk_takes_the_most_central_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def watched(texts: list[str]) -> NDArray[np.float64]:
        asked.append(texts)
        return pairwise_chrf(texts)

    monkeypatch.setattr(module, "pairwise_chrf", watched)
    drawn = {
        "s": ["a blue car", "the red house", "the red hen", "the red house"],
        "t": ["one", "", "", ""],
        "u": ["the dog", "the dog", "the cat", "one cat"],
    }
    taken = minimum_bayes_risk(Fixed(drawn), [*drawn], 4, 0.9, 7)
    assert asked == [["a blue car", "the red house", "the red hen"], ["one", ""], ["the dog", "the cat", "one cat"]]
    for (text, _, score, utility, _), texts in zip(taken, drawn.values(), strict=True):
        others = [texts[:i] + texts[i + 1 :] for i in range(4)]
        expected = [np.mean([chrf(mine, other) for other in rest]) for mine, rest in zip(texts, others, strict=True)]
        assert score is None
        assert utility == pytest.approx(max(expected), abs=1e-9)
        assert text == texts[int(np.argmax(expected))]
    assert [each.text for each in taken] == ["the red house", "one", "the dog"]


def test_what_is_taken_are_samples_of_the_policy(trained: Seq2SeqPolicy, fake_scorer: Scorer, tiny_task: Task) -> None:
    sources = tiny_task.split("train").sources
    samples = trained.sample(trained.encode(sources), 6, 1.5, seed=2)
    candidates = [samples.texts[6 * row : 6 * row + 6] for row in range(len(sources))]
    best = best_of_n(trained, sources, fake_scorer, 6, 1.5, 2)
    central = minimum_bayes_risk(trained, sources, 6, 1.5, 2)
    for row, source in enumerate(sources):
        scores = fake_scorer.score([source] * 6, candidates[row])
        assert best[row].text == candidates[row][int(scores.argmax())]
        assert best[row].score == pytest.approx(float(scores.max()))
        assert central[row].text in candidates[row]
    tokens = [int(samples.offsets[high] - samples.offsets[high - 6]) for high in range(6, len(samples) + 1, 6)]
    assert [each.tokens for each in best] == [each.tokens for each in central] == tokens
    single = trained.sample(trained.encode(sources), 1, 1.5, 2)
    drawn = one_sample(trained, sources, 1.5, 2)
    assert [each.text for each in drawn] == single.texts
    assert [each.truncated for each in drawn] == (~single.terminated).tolist()
    for beams in (1, 3):
        assert [each.text for each in likeliest(trained, sources, beams)] == trained.translate(sources, beams)
    assert likeliest(trained, ["zwei rot haus"])[0].tokens == 4
