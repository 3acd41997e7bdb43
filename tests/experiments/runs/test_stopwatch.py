from __future__ import annotations

import pytest

import experiments.runs.stopwatch as module


def test_work_within_work_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    watch = module.Stopwatch()
    with watch("training"):
        clock.now += 5
        for _ in range(2):
            with watch("evaluating"):
                clock.now += 1
                with watch("scoring"):
                    clock.now += 2
        clock.now += 3

    def fail() -> None:
        with watch("growing"):
            clock.now += 7
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        fail()
    with watch("training"):
        clock.now += 100
    assert watch.seconds == {"scoring": 4.0, "evaluating": 2.0, "training": 108.0, "growing": 7.0}
