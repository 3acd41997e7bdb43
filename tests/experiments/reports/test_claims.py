from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.reports.claims import (
    beats_supervised,
    best_loss,
    claims_table,
    order_by_quality,
    second_grow,
    value_rank,
)
from experiments.reports.comparison import Interval

UP, DOWN, OPEN = Interval(0.05, 0.02, 0.08), Interval(-0.03, -0.05, -0.01), Interval(0.01, -0.02, 0.04)


def run_of(folder: Path, rewards: dict[tuple[int, int], float]) -> Path:
    folder.mkdir()
    rows = [
        {"grow": grow, "improve": step, "split": "test", "decode": "sample", "reward": reward}
        for (grow, step), reward in rewards.items()
    ]
    (folder / "results.json").write_text(json.dumps({"steps": rows}))
    return folder


def test_the_second_grow_step_is_its_last_improve_step_less_that_of_the_first(tmp_path: Path) -> None:
    first = {(0, 0): 0.7, (1, 1): 0.8, (1, 2): 0.82}
    runs = [
        run_of(tmp_path / "a", first | {(2, 1): 0.83, (2, 2): 0.84}),
        run_of(tmp_path / "b", first | {(2, 1): 0.85, (2, 2): 0.86}),
        run_of(tmp_path / "c", first),
    ]
    found = second_grow(runs)
    # Mean 0.03, standard error 0.01, Student's t with 1 degree of freedom 12.706.
    assert found.measured == "+0.030 [-0.097, +0.157] over 2 runs (t interval)"
    assert found.verdict == "open"
    assert second_grow(runs[2:]).verdict == "open"


@pytest.mark.parametrize(
    ("gains", "verdict"), [((UP, UP), "holds"), ((UP, OPEN), "open"), ((OPEN, DOWN), "does not hold")]
)
def test_every_loss_must_beat_the_supervised_policy(gains: tuple[Interval, ...], verdict: str) -> None:
    rows = {name: {"reward_gain": gain} for name, gain in zip("ab", gains, strict=True)}
    assert beats_supervised(rows).verdict == verdict


@pytest.mark.parametrize(
    ("differences", "verdict"), [((DOWN, DOWN), "holds"), ((DOWN, OPEN), "open"), ((DOWN, UP), "does not hold")]
)
def test_one_better_loss_refutes_that_bc_is_the_best(differences: tuple[Interval, ...], verdict: str) -> None:
    same = {name: {"reward": difference} for name, difference in zip("ab", differences, strict=True)}
    assert best_loss(same).verdict == verdict
    assert best_loss({}).verdict == "open"


def test_the_orders_by_reward_and_by_oracle() -> None:
    rows = {
        name: {"reward": Interval(reward, 0, 1), "oracle": Interval(oracle, 0, 1), "oracle_gain": UP}
        for name, reward, oracle in (("a", 0.9, 0.8), ("b", 0.8, 0.9), ("c", 0.7, 0.7))
    }
    beats, order = order_by_quality(rows)
    assert (beats.verdict, order.verdict) == ("holds", "holds")
    assert "Kendall tau of the two orders 0.33 over 3; best by reward a, by oracle b" in order.measured
    del rows["b"]
    assert order_by_quality(rows)[1].verdict == "does not hold"
    assert [claim.verdict for claim in order_by_quality({"a": {"reward": UP}})] == ["open", "open"]


def test_the_value_network_is_held_to_the_papers_numbers() -> None:
    def report(kendall: float, spearman: float) -> dict[str, object]:
        return {split: {"final": {"kendall": kendall, "spearman": spearman}} for split in ("train", "held_out")}

    assert value_rank([report(0.93, 0.99)]).verdict == "holds"
    found = value_rank([report(0.4, 0.5), report(0.6, 0.7)])
    assert found.verdict == "does not hold"
    assert "train kendall 0.500 ± 0.100" in found.measured
    assert "| 10 |" in claims_table([found])
