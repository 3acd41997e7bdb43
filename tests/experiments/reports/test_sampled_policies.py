from __future__ import annotations

import numpy as np
import pytest

from experiments.reports.sampled_policies import ranking, spreads
from experiments.runs.stage_samples import Candidates, Wanted

SUPERVISED, TRAINED = Wanted("g0i0", 0.8, 16), Wanted("g1i2", 0.8, 16)


def source(reward: list[float], gold: list[float]) -> Candidates:
    size = len(reward)
    return Candidates(["a"] * size, np.full(size, 2), np.array(reward), np.array(gold), np.full(size, 0.5))


def test_orders_by_reward_and_by_quality() -> None:
    run = {
        SUPERVISED: [source([0.2, 0.4], [0.6, 0.6])] * 4,
        TRAINED: [source([0.9, 0.9], [0.3, 0.3])] * 4,
        TRAINED._replace(temperature=1.0): [source([0.9, 0.9], [0.3, 0.3])] * 4,
    }
    known = ranking([run, run], 0.8)
    assert known is not None
    (before, after), differ = known
    assert (before.name, before.by_reward, before.by_gold, before.above) == ("supervised", 2, 1, None)
    assert after.above is not None
    assert (before.reward, after.above.mean, differ.pair) == pytest.approx((0.3, -0.3, 1.0))


def test_rewards_that_spread_where_quality_is_low() -> None:
    bad, good = source([0.0, 1.0], [0.1, 0.1]), source([0.9, 1.0], [1.0, 1.0])
    known = spreads([[bad, good] * 5])
    assert known is not None
    bands, difference = known
    assert [band.sources for band in bands] == [5, 0, 0, 5]
    assert (bands[0].deviation, bands[-1].deviation) == pytest.approx((0.5, 0.05))
    assert difference.mean == pytest.approx(0.45)
    assert difference.low > 0.4
    assert spreads([[good, good]]) is None
