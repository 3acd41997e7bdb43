from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.reports.best_of_n_curves import Curve, curves, equal_numbers, looks, peak
from experiments.runs.stage_samples import Candidates, Wanted

SUPERVISED, TRAINED = Wanted("g0i0", 0.8, 16), Wanted("g1i2", 0.8, 16)
RNG = np.random.default_rng(0)


def curve(wanted: Wanted, reward: NDArray[np.float64], gold: NDArray[np.float64] | None = None) -> Curve:
    """Of two runs and thirty sources, which differ little."""
    noise = RNG.normal(0, 0.01, (2, 30, 1))
    noise -= noise.mean()
    return Curve(wanted, reward + noise, None if gold is None else gold + noise)


def source(reward: list[float], gold: list[float]) -> Candidates:
    size = len(reward)
    return Candidates(["a"] * size, np.full(size, 2), np.array(reward), np.array(gold), np.full(size, 0.5))


def test_a_few_samples_are_worth_the_first_n_that_reaches_them() -> None:
    base = curve(SUPERVISED, np.linspace(0.1, 0.85, 16))  # 0.05 a sample
    better = curve(TRAINED, np.append(np.linspace(0.3, 0.6, 7), np.full(9, 0.95)))
    one, two, four, eight = equal_numbers(base, better, "reward")
    assert (one.name, one.few, one.number, two.number, four.number) == ("G=1 I=2", 1, 5, 6, 8)
    assert one.low <= 5 <= one.high
    assert str(eight) == "none [none, none]"


def test_a_fall_is_told_from_noise() -> None:
    rising = np.linspace(0.1, 0.9, 16)
    honest, hacked = curve(SUPERVISED, rising, rising), curve(TRAINED, rising, np.minimum(rising, 1.1 - rising))
    found = looks([honest, hacked])
    assert {(look.since, look.number) for look in found} == {(1, 2), (2, 4), (4, 8), (8, 16), (1, 16), (2, 16), (4, 16)}
    assert [(look.name, look.since, look.number) for look in found if look.is_fall] == [
        ("G=1 I=2, T = 0.8", 8, 16), ("G=1 I=2, T = 0.8", 4, 16)
    ]  # fmt: skip
    assert looks([curve(SUPERVISED, rising)]) == []
    assert (str(peak(honest)), str(peak(hacked)), peak(curve(SUPERVISED, rising))) == ("16 [16, 16]", "9 [9, 9]", None)


def test_every_n_has_its_curve_and_some_have_agreement() -> None:
    sources = [source([0.1 * place for place in range(8)], [0.5] * 8) for _ in range(3)]
    (known,) = curves([{SUPERVISED: sources, TRAINED._replace(samples=4): sources}] * 2, 16)
    assert (known.reward.shape, known.numbers, [*known.agreeing]) == ((2, 3, 16), [1, 2, 4, 8, 16], [4, 16])
    reward, gold = known.agreeing[4]
    assert gold is not None
    assert reward.shape == gold.shape == (2, 3)
