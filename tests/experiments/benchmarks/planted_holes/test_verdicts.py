"""What is read off runs that no gate ended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.planted_holes.verdicts import Seen, false_alarms, not_lower, seen, verdict_table

NOISE = np.random.default_rng(0).normal(0, 0.1, (4, 300))


def values(reward: Sequence[float], quality: Sequence[float]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Stages whose measures are so far from the first one's, but for noise; chrF follows true quality."""
    return {
        f"g{step}i{min(step, 1)}": {
            "reward": 0.5 + rise + NOISE[step],
            "oracle": 0.5 + gain + NOISE[step],
            "chrf": 50 + 100 * gain + 100 * NOISE[step],
        }
        for step, (rise, gain) in enumerate(zip(reward, quality, strict=True))
    }


def run(arm: str, hole: str | None, reward: Sequence[float], quality: Sequence[float]) -> Seen:
    both = values(reward, quality)
    return seen(arm, hole, 0, both, both)


def test_a_hole_is_seen_where_it_opens_and_a_gate_keeps_what_was_won_before() -> None:
    fooled = run("plain", "tail", [0, 0.1, 0.2], [0, 0.05, -0.2])
    assert (fooled.fell, fooled.reported, fooled.closed) == ("g2i1", "g2i1", {"chrf": "g2i1", "oracle": "g2i1"})
    assert fooled.change["none"].mean < -0.1
    assert fooled.change["chrf"] == fooled.change["oracle"]
    assert 0 < fooled.change["chrf"].mean < 0.1  # of the first step, which the run fell back to
    assert [not_lower(fooled, by) for by in ("none", "chrf")] == [False, True]


def test_alarms_are_false_before_or_without_a_fall() -> None:
    honest = run("honest", None, [0, 0.1, 0.2], [0, 0.05, 0.1])
    assert (honest.fell, honest.reported, honest.closed) == (None, None, {"chrf": None, "oracle": None})
    unseen = run("honest", None, [0, -0.1, -0.2], [0, -0.1, -0.2])  # by the reward, too: no hacking
    assert (unseen.fell, unseen.closed["oracle"]) == ("g1i1", None)
    fooled = run("honest", None, [0, 0.1, 0.2], [0, 0.05, -0.2])
    assert set(false_alarms([honest, unseen, fooled]).values()) == {0}
    early = Seen(**{**vars(fooled), "closed": {"chrf": "g1i1", "oracle": "g2i1"}})
    assert false_alarms([honest, early]) == {"gate by chrF": 1, "gate by true quality": 0, "report": 0}


def test_the_table_counts_by_hole_and_over_all_holes() -> None:
    runs = [
        run("plain", "tail", [0, 0.1, 0.2], [0, 0.05, -0.2]),
        run("plain", "universal", [0, 0.1, 0.2], [0, 0.05, 0.1]),
        run("honest", None, [0, 0.1, 0.2], [0, 0.05, 0.1]),
    ]
    rows = [line.strip("| ").split(" | ") for line in verdict_table(runs).splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        ["plain", "tail"], ["plain", "universal"], ["plain", "all"], ["honest", "none"],
    ]  # fmt: skip
    assert rows[2][2] == "2"
    assert rows[2][5:] == ["1", "1 of 1", "1 of 1", "1 of 1", "1 of 2", "2 of 2", "2 of 2"]
