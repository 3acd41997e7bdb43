from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agents.preferences import Pair, best_and_worst, chosen_nll, hinge_loss, ipo_loss, kto_loss, sequence_pairs

# Two pairs: sums -6 and -4, -1 and -2; padding holds what must never count.
LOG_PROB = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -99.0, torch.nan], [-1.0, -9.0, -9.0], [-1.0, -1.0, -9.0]])
MASK = torch.tensor([[True, True, True], [True, False, False], [True, False, False], [True, True, False]])
SCORE = Pair(torch.tensor([-6.0, -1.0]), torch.tensor([-4.0, -2.0]))


def test_best_and_worst_of_each_source() -> None:
    source = np.array([4, 4, 4, 7, 7, 9])
    reward = np.array([0.5, 0.9, 0.1, 0.3, 0.31, 0.8], dtype=np.float32)
    assert best_and_worst(source, reward, 0.05).tolist() == [[1, 2]]
    assert best_and_worst(source, reward, 0.0).tolist() == [[1, 2], [4, 3]]
    ties = np.array([0.5, 0.5, 0.2, 0.2], dtype=np.float32)
    assert best_and_worst(np.zeros(4, dtype=np.int64), ties, 0.0).tolist() == [[0, 2]]


def test_sums_of_each_pair() -> None:
    pairs = sequence_pairs(LOG_PROB, MASK)
    assert (pairs.chosen.tolist(), pairs.rejected.tolist()) == ([-6.0, -1.0], [-4.0, -2.0])
    assert pairs.accuracy().item() == 0.5


def test_the_likelihood_of_the_better_ones_alone() -> None:
    assert chosen_nll(LOG_PROB, MASK).item() == (1 + 2 + 3 + 1) / 4


def test_ipo_by_hand() -> None:
    # h is -2 and 1, 1 / (2 tau) is 2: (16 + 1) / 2
    assert ipo_loss(SCORE, 0.25).item() == 8.5


def test_kto_by_hand() -> None:
    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    # z is 0.5, beta 0.5: gains of -6 and -1, safety of -4 and -2.
    gain = 2.0 * (sigmoid(-3.25) + sigmoid(-0.75))
    safety = 0.5 * (sigmoid(2.25) + sigmoid(1.25))
    expected = (2 * 2.0 + 2 * 0.5 - gain - safety) / 4
    assert kto_loss(SCORE, torch.tensor(0.5), 0.5, 2.0, 0.5).item() == pytest.approx(expected, abs=1e-6)
    even = Pair(torch.zeros(1), torch.zeros(1))
    assert kto_loss(even, torch.tensor(0.0), 0.1, 1.0, 1.0).item() == 0.5


def test_hinge_by_hand() -> None:
    # 1.5 + 2 and 1.5 - 1; a margin that is reached costs nothing
    assert hinge_loss(SCORE, 1.5).item() == (3.5 + 0.5) / 2
    assert hinge_loss(Pair(torch.tensor([2.0]), torch.tensor([0.0])), 1.5).item() == 0.0
