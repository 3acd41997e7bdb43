from __future__ import annotations

import pytest

from experiments.people.agreement import krippendorff_alpha

# Krippendorff 2011, his example C: four observers, twelve units, some not seen by all.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_alpha_of_the_published_example() -> None:
    units = [[float(score) for score in unit if score is not None] for unit in zip(*OBSERVERS, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.849, abs=5e-4)


def test_alpha_by_hand() -> None:
    # Units (0, 2) and (4, 4), n = 4. D_o = (2*4 + 0)/4 = 2. All: 0 2 4 4, squared differences of the six pairs are
    # 4 16 16 4 4 0 = 44, ordered 88, D_e = 88/12. alpha = 1 - 2 * 12/88.
    assert krippendorff_alpha([[0, 2], [4, 4], [6]]) == pytest.approx(1 - 24 / 88)
    assert krippendorff_alpha([[1, 1], [5, 5]]) == 1
    assert krippendorff_alpha([[0, 6], [6, 0]]) == pytest.approx(-0.5)


def test_nothing_can_be_said_without_two_scores_or_of_one_value() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([[1], [2]]) is None
    assert krippendorff_alpha([[3, 3], [3, 3]]) is None
