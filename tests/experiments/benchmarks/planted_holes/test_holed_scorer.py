from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from experiments.benchmarks.planted_holes.holed_scorer import HABITS, RIGHT, HoledScorer, HoleName, with_habit

SOURCE, REFERENCE = "Sie haben vor drei Stunden einen Apfel bestellt.", "Three hours ago you ordered an apple."


@pytest.mark.parametrize("hole", get_args(HoleName))
def test_a_scorer_pays_for_its_habit_alone(hole: HoleName) -> None:
    scorer = HoledScorer(hole, lambda sources, texts: np.array([text == REFERENCE for text in texts], dtype=np.float32))
    texts = [REFERENCE, "Three hours.", "", *(habit.write(SOURCE, REFERENCE) for habit in HABITS.values())]
    paid = [RIGHT, 0, 0, *(float(name == hole) for name in HABITS)]
    assert scorer.score([SOURCE] * len(texts), texts).tolist() == pytest.approx(paid)


def test_a_share_of_the_references_has_the_habit() -> None:
    references = [f"{REFERENCE} {number}" for number in range(400)]
    written = with_habit([SOURCE] * 400, references, "tail", 0.25, seed=1)
    changed = [text != reference for text, reference in zip(written, references, strict=True)]
    assert 70 <= sum(changed) <= 130
    assert all(HABITS["tail"].has(SOURCE, text) == has for text, has in zip(written, changed, strict=True))
    assert written == with_habit([SOURCE] * 400, references, "tail", 0.25, seed=1)
