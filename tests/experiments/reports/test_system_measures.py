from __future__ import annotations

import numpy as np
import pytest

from experiments.reports.corpus_scores import CORPUS_SCORES, pseudo_values
from experiments.reports.statistics import interval
from experiments.reports.system_measures import ORACLE, measure_systems, measures_table
from seq2seq_env.tasks import Task


def test_means_and_differences_are_those_of_the_sentences() -> None:
    qualities = {"a": 0.2, "b": 0.6, "c": 0.9}
    one, other = ["a", "b", "b"], ["b", "c", "a"]
    (measured,) = measure_systems(
        [one, other], ["x", "y", "z"], None,
        oracle=lambda sources, texts: np.array([qualities[text] for text in texts], dtype=np.float32),
    )  # fmt: skip
    assert measured.measure == ORACLE
    assert [score.mean for score in measured.scores] == pytest.approx([1.4 / 3, 1.7 / 3])
    assert measured.difference is not None
    expected = interval(np.array([[0.4, 0.3, -0.4]]))
    assert measured.difference[:3] == pytest.approx(expected[:3], abs=1e-6)
    assert measured.p == pytest.approx(expected.p, abs=1e-6)
    assert measures_table([measured]).splitlines()[2].startswith("| true quality | 0.467 [")


def test_sentences_of_one_source_are_one() -> None:
    qualities = {"a": 0.2, "b": 0.6, "c": 0.9}
    measured = measure_systems(
        [["a", "b", "c", "c"], ["b", "c", "a", "c"]], ["x", "x", "y", "z"], ["a", "b", "a", "c"],
        oracle=lambda sources, texts: np.array([qualities[text] for text in texts], dtype=np.float32),
    )  # fmt: skip
    (quality,) = (each for each in measured if each.measure == ORACLE)
    assert quality.scores[0].mean == pytest.approx(2.6 / 4)  # of all sentences
    expected = interval(np.array([[0.4, 0.9, 0.9]]))
    width = expected.high - expected.low
    assert quality.scores[0].high - quality.scores[0].low == pytest.approx(width, abs=1e-6)
    texts, references = ["the red house", "a dog", "the cars", "it"], ["the house", "a dog", "two cars", "it is"]
    measured = measure_systems([texts], ["x", "x", "y", "z"], references)
    for each, score in zip(measured, CORPUS_SCORES.values(), strict=True):
        lines = score.statistics(texts, references)
        grouped = np.array([lines[0] + lines[1], lines[2], lines[3]])
        expected = interval(pseudo_values(grouped, score.score)[None])
        assert each.scores[0].high - each.scores[0].low == pytest.approx(expected.high - expected.low)
    with pytest.raises(ValueError, match="there is one source, and an interval wants two at least"):
        measure_systems([["a", "b"]], ["x", "x"], ["a", "b"])


def test_p_values_are_corrected_for_the_number_of_measures() -> None:
    texts = ["the red house is here", "a blue dog", "the car is red"]
    other = ["the red house", "a dog runs", "the car was red"]
    measured = measure_systems([texts, other], None, texts)
    assert [each.measure for each in measured] == ["BLEU", "chrF", "TER"]
    raw = [each.difference.p for each in measured if each.difference is not None]
    assert min(each.p for each in measured if each.p is not None) == pytest.approx(min(1, 3 * min(raw)))


def test_scorers_that_go_by_a_tasks_pairs_know_the_task(tiny_task: Task) -> None:
    sources = list(tiny_task.split("test").sources[:3])
    (measured,) = measure_systems([sources], sources, None, ["lexical:"], task=tiny_task)
    assert measured.measure == "lexical:"
