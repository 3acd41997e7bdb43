from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from buffers.candidate_utility import agreement
from experiments.reports.subsets import agreement_chances, best_chances, best_kl, best_of_curves
from experiments.runs.stage_samples import Candidates
from seq2seq_env.chrf import pairwise_chrf


def candidates(reward: list[float], counts: list[int], gold: list[float] | None = None) -> Candidates:
    texts = [f"text {'abcdefgh'[place] * 5}" for place in range(len(reward))]
    known = None if gold is None else np.array(gold)
    return Candidates(texts, np.array(counts), np.array(reward), known, np.zeros(len(reward)))


def test_chances_are_those_of_all_subsets() -> None:
    """Six samples of three rewards, two of the four distinct ones tied; ties are shared by their number."""
    scores, counts = np.array([0.5, 0.9, 0.1, 0.9]), np.array([2, 1, 2, 1])
    drawn = np.repeat(np.arange(4), counts)
    for number in range(1, 7):
        expected = np.zeros(4)
        subsets = [list(subset) for subset in combinations(range(6), number)]
        for subset in subsets:
            best = [i for i in subset if scores[drawn[i]] == max(scores[drawn[j]] for j in subset)]
            for i in best:
                expected[drawn[i]] += 1 / len(best) / len(subsets)
        assert best_chances(scores, counts)[number - 1] == pytest.approx(expected)


def test_one_of_one_is_the_mean_and_the_best_of_all_the_best() -> None:
    reward, gold = best_of_curves([candidates([0.2, 0.8], [3, 1], [1.0, 0.0])] * 2)
    assert gold is not None
    assert reward.shape == gold.shape == (2, 4)
    assert reward[0, [0, -1]] == pytest.approx([0.35, 0.8])
    assert gold[0, [0, -1]] == pytest.approx([0.75, 0.0])
    assert best_of_curves([candidates([0.2], [2])])[1] is None


def test_many_samples_do_not_overflow() -> None:
    chances = best_chances(np.linspace(0, 1, 1_100), np.ones(1_100, dtype=np.int64))
    assert np.isfinite(chances).all()
    assert chances.sum(1) == pytest.approx(np.ones(1_100))


def test_minimum_bayes_risk_of_all_samples_takes_the_one_most_agreed_with() -> None:
    source = candidates([0.0, 0.0, 0.0], [1, 4, 1])
    utility = agreement(pairwise_chrf(source.texts), source.counts)
    chances = agreement_chances(source, [2, 6])
    assert chances[6] == pytest.approx(np.eye(3)[utility.argmax()])
    assert chances[2].sum() == pytest.approx(1)
    # Of two samples both agree alike, so that each has its share.
    assert chances[2] == pytest.approx(source.counts / 6)


def test_kl_is_the_bound_where_no_rewards_are_equal_and_less_elsewhere() -> None:
    many = candidates([0.0], [1])
    many = Candidates(many.texts, np.ones(4_000, dtype=np.int64), np.linspace(0, 1, 4_000), None, np.zeros(4_000))
    assert best_kl(many, [1, 2, 16]) == pytest.approx([0, np.log(2) - 1 / 2, np.log(16) - 15 / 16], abs=2e-3)
    assert best_kl(candidates([0.7, 0.7], [3, 1]), [8]) == pytest.approx([0])
    # The best of two is the better half with 3/4.
    assert best_kl(candidates([0.2, 0.8], [1, 1]), [2]) == pytest.approx([0.25 * np.log(0.5) + 0.75 * np.log(1.5)])
