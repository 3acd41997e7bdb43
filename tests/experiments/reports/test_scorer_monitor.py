"""Whether a scorer still ranks what the policy writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from buffers import GrowingBatchBuffer
from experiments.growing_batch import Config
from experiments.reports.scorer_monitor import (
    monitor_parts,
    monitor_warnings,
    monitored,
    monitored_grow_steps,
    monitored_ratings,
    monitored_steps,
)
from experiments.runs.experiment import Experiment
from experiments.scorer_training.rank_accuracy import RankAccuracy, rank_accuracy
from seq2seq_env.tasks import Oracle
from tests.conftest import TinyTask


def accuracy(share: float, sources: int = 200) -> RankAccuracy | None:
    """Of a scorer that is right on a share of the sources, two hypotheses each."""
    names = [f"source {number}" for number in range(sources) for _ in range(2)]
    scores = np.array([[1, 0] if number < share * sources else [0, 1] for number in range(sources)]).ravel()
    return rank_accuracy(names, np.array([1, 0] * sources, dtype=np.float32), scores.astype(np.float32))


def test_a_fall_is_told_and_a_wobble_is_not() -> None:
    rows = monitored({"Grow 1": accuracy(0.9), "Grow 2": None, "Grow 3": accuracy(0.89), "Grow 4": accuracy(0.6)})
    assert [row.place for row in rows] == ["Grow 1", "Grow 3", "Grow 4"]
    assert [row.fallen for row in rows] == [False, False, True]
    first, _, last = rows
    assert first.accuracy[:3] == pytest.approx((0.9, 0.9 - 0.0416, 0.9 + 0.0416), abs=1e-4)
    assert last.change is not None
    assert last.change.mean == pytest.approx(-0.3)
    (warning,) = monitor_warnings(rows)
    assert warning.startswith("WARNING: the scorer puts 0.600 [0.532, 0.668] of 200 pairs at Grow 4 in the right order")
    assert "-0.300 [" in warning
    assert "since Grow 1" in warning
    *_, shown = monitor_parts(rows, [])
    assert [line.split(" | ")[0] for line in shown.splitlines()[2:]] == ["| Grow 1", "| Grow 3", "| Grow 4"]


def test_nothing_is_known_without_an_oracle() -> None:
    assert monitored({"Grow 1": None}) == []
    assert monitored_steps({"supervised": [{"source": "a", "sample_reward": 1.0, "greedy_reward": 0.0}]}) == []
    assert monitor_parts([], []) == []


def test_a_sample_and_the_greedy_translation_make_a_pair() -> None:
    def lines(right: int) -> list[dict[str, Any]]:
        scores = {"sample_oracle": 0.0, "greedy_oracle": 1.0, "greedy_reward": 0.5}
        return [{"source": str(n), "sample_reward": 0.1 if n < right else 0.9, **scores} for n in range(10)]

    before, after = monitored_steps({"supervised": lines(10), "G=1 I=1": lines(2)})
    assert [each.accuracy.mean for each in (before, after)] == pytest.approx([1.0, 0.2])
    assert after.pairs == 10
    assert after.fallen


def test_people_stand_in_for_an_oracle() -> None:
    """The reward follows people at the first step, and not at the second, on what they rated."""
    ratings = [
        {"source": f"s{n}", "hypothesis": f"{stage} {n}", "stages": [stage], "reward": reward, "score": score + rater}
        for n in range(20)
        for rater in (0, 1)
        for stage, score, reward in (("g0i0", 1, 0.2), ("g1i1", 4, 0.8), ("g2i1", 0, 0.9), ("control-filtered", 5, 0.1))
    ]
    first, second = monitored_ratings(ratings)
    assert [each.place for each in (first, second)] == [
        "supervised and G=1 I=1, by people", "supervised and G=2 I=1, by people",
    ]  # fmt: skip
    assert (first.accuracy.mean, first.pairs, second.accuracy.mean, second.fallen) == (1.0, 20, 0.0, True)
    assert monitored_ratings([]) == []


def test_samples_of_a_grow_step_are_judged_by_the_oracle(finished_run: Experiment[Config], fake_scorer: Any) -> None:
    class Graded(TinyTask):
        @property
        def oracle(self) -> Oracle:
            return lambda sources, hypotheses: np.asarray(fake_scorer.score(sources, hypotheses), dtype=np.float32)

    buffer = GrowingBatchBuffer(finished_run.folder.path / "buffer")
    grown = {step: buffer.select(grow_step=step) for step in (0, 1)}
    (row,) = monitored_grow_steps(grown, Graded())
    assert (row.place, row.accuracy.mean, row.fallen) == ("Grow 1", 1.0, False)  # as it gave the rewards
    assert 0 < row.pairs <= 12 * 6
