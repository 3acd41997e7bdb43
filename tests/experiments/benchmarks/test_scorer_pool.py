from __future__ import annotations

import numpy as np
import pytest

from experiments.benchmarks.scorer_pool import Config, Dear, cascade_row
from tests.digest_scorer import Digest

SOURCES, HYPOTHESES = [f"source {row % 100}" for row in range(400)], [f"text {row}" for row in range(400)]


def test_the_dear_scorer_costs_and_differs_as_it_is_told() -> None:
    cheap = Digest()
    scores, same = (Dear(cheap, 3, noise).score(SOURCES, HYPOTHESES) for noise in (1.0, 0.0))
    assert len(cheap.calls) == 6
    np.testing.assert_allclose(same, cheap.score(SOURCES, HYPOTHESES), atol=1e-5)
    difference = np.log(scores / (1 - scores)) - np.log(same / (1 - same))
    assert difference.std() == pytest.approx(1, abs=0.15)


def test_a_cascade_of_equal_scorers_agrees_and_asks_for_what_it_keeps() -> None:
    noise, correlation, kept, _, passed, agreement, _ = cascade_row(
        Config(cost=2), Digest(), 0.0, 0.1, SOURCES, HYPOTHESES
    )
    assert (noise, correlation, kept) == ("0", "1.000", "10%")
    assert float(agreement.rstrip("%")) >= 95
    assert float(passed.rstrip("%")) < 20
