from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from seq2seq_env.scorers import CascadeScorer, cascade_gate, load_scorer


class Numbers:
    """The number that a hypothesis is, times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor, self.fingerprint = factor, f"numbers-{factor}"
        self.asked: list[str] = []

    def score(self, sources: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.float32]:
        self.asked += hypotheses
        return np.asarray([self.factor * float(text) for text in hypotheses], dtype=np.float32)


def test_the_dear_scorer_is_asked_above_the_gate_alone() -> None:
    cheap, dear = Numbers(1.0), Numbers(0.5)
    cascade = CascadeScorer(cheap, dear, gate=0.5)
    scores = cascade.score(["s"] * 4, ["0.2", "0.5", "0.6", "1"])
    np.testing.assert_allclose(scores, [0.2, 0.5, 0.3, 0.5])
    assert dear.asked == ["0.6", "1"]
    assert (
        len({CascadeScorer(*each).fingerprint for each in ((cheap, dear), (dear, cheap))} | {cascade.fingerprint}) == 2
    )
    assert CascadeScorer(cheap, dear, gate=0.6).fingerprint != cascade.fingerprint
    assert len(cascade.score([], [])) == 0


def test_the_gate_stops_no_more_than_it_may() -> None:
    cheap = np.linspace(0, 0.99, 100)
    dear = np.where(np.arange(100) % 2 == 0, cheap, 0.0)  # above 0.5: 0.52, 0.54, ..., 0.98
    assert cascade_gate(cheap, dear, 0.505, agreement=1.0) == pytest.approx(0.505)  # not above the threshold
    high = np.where(dear > 0.8, 1.0, 0.0)  # 0.82, 0.84, ..., 0.98
    gate = cascade_gate(cheap, high, 0.9, agreement=0.75)  # of nine, two may be stopped
    assert (cheap[high > 0.9].astype(np.float32) > np.float32(gate)).sum() == 7
    with pytest.raises(ValueError, match=r"gives none of the pairs more than 0\.99"):
        cascade_gate(cheap, dear, 0.99)


def test_a_cascade_is_named_like_any_scorer() -> None:
    cascade = load_scorer("cascade: gate=0.7 phrasebook-qe 'guarded: penalty=0.5 phrasebook-qe'")
    assert isinstance(cascade, CascadeScorer)
    assert cascade.gate == 0.7
    with pytest.raises(ValueError, match=r"gate is 1\.0; give a score from 0, below 1"):
        load_scorer("cascade: gate=1 phrasebook-qe phrasebook-qe")
    with pytest.raises(ValueError, match="cascade: is followed by 1 scorers"):
        load_scorer("cascade: phrasebook-qe")
