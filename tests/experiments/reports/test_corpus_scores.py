from __future__ import annotations

from random import Random

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from experiments.reports.corpus_scores import (
    bleu,
    bleu_statistics,
    chrf,
    chrf_statistics,
    pseudo_values,
    ter,
    ter_statistics,
)

WORDS = ["the", "a", "red", "car", "house", "is", "was", "in", "on", "of", "big", "small", "dog", "cat,", "."]


def texts(seed: int, count: int) -> tuple[list[str], list[str]]:
    random = Random(seed)
    references = [" ".join(random.choices(WORDS, k=random.randint(1, 9))) for _ in range(count)]
    hypotheses = [
        " ".join(word if random.random() < 0.8 else random.choice(WORDS) for word in reference.split())
        for reference in references
    ]
    hypotheses[-1] = ""
    return hypotheses, references


@pytest.mark.parametrize(("seed", "count"), [(0, 100), (1, 1), (2, 2), (3, 3)])
def test_scores_are_sacrebleus(seed: int, count: int) -> None:
    hypotheses, references = texts(seed, count)
    ours = bleu(bleu_statistics(hypotheses, references).sum(axis=0))
    assert ours == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score)
    ours = chrf(chrf_statistics(hypotheses, references).sum(axis=0))
    assert ours == pytest.approx(CHRF().corpus_score(hypotheses, [references]).score)
    ours = ter(ter_statistics(hypotheses, references).sum(axis=0))
    assert ours == pytest.approx(TER().corpus_score(hypotheses, [references]).score)


def test_a_moved_phrase_is_one_edit() -> None:
    statistics = ter_statistics(["on the house a red car is", "", "dog"], ["a red car is on the house", "a dog", ""])
    assert statistics.tolist() == [[1, 7], [2, 2], [1, 0]]
    assert ter(statistics).tolist() == pytest.approx([100 / 7, 100, 100])
    assert ter_statistics(["我昨天买了七个梨。"], ["我昨天买了七个苹果。"]).tolist() == [[2, 10]]


def test_an_order_without_a_match_is_smoothed() -> None:
    hypotheses, references = ["the dog is in the house ."], ["the cat was on a house ."]
    ours = bleu(bleu_statistics(hypotheses, references).sum(axis=0))
    assert ours == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score)
    assert 0 < ours < 20


def test_pseudo_values_are_those_of_leaving_each_sentence_out() -> None:
    hypotheses, references = texts(4, 6)
    found = pseudo_values(bleu_statistics(hypotheses, references), bleu)
    whole = BLEU().corpus_score(hypotheses, [references]).score
    for at in range(6):
        rest = BLEU().corpus_score(hypotheses[:at] + hypotheses[at + 1 :], [references[:at] + references[at + 1 :]])
        assert found[at] == pytest.approx(6 * whole - 5 * rest.score)


def test_pseudo_values_of_a_mean_are_its_values() -> None:
    """With a count of 1 a sentence, the score of sums is their ratio, the mean."""
    values = np.array([[0.2, 1], [0.7, 1], [0.4, 1]])
    assert pseudo_values(values, lambda sums: sums[..., 0] / sums[..., 1]) == pytest.approx([0.2, 0.7, 0.4])


def test_every_hypothesis_needs_its_reference() -> None:
    with pytest.raises(ValueError, match="zip"):
        bleu_statistics(["a"], [])


def test_chinese_statistics_are_sacrebleus() -> None:
    references = ["我昨天在市场买了七个苹果。", "火车明天早上八点出发。"]
    hypotheses = ["我昨天在市场买了七个梨。", "火车明天早上八点出发。"]
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    assert bleu(bleu_statistics(hypotheses, references).sum(axis=0)) == pytest.approx(expected)


def test_empty_texts_have_scores() -> None:
    references = ["the red house", "", "a dog"]
    for hypotheses in (["", "", ""], ["the red house", "x", "a dog"]):
        statistics = bleu_statistics(hypotheses, references)
        assert bleu(statistics.sum(axis=0)) == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score)
        assert np.isfinite(pseudo_values(statistics, bleu)).all()
    assert chrf(chrf_statistics(["", ""], ["", "a"]).sum(axis=0)) == 0
