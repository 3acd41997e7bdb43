from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.reports.claims import (
    beats_supervised,
    best_loss,
    claims_table,
    order_by_quality,
    second_grow,
    value_rank,
)
from experiments.reports.comparison_entry import Entry
from experiments.reports.statistics import Interval

UP, DOWN, OPEN = Interval(0.05, 0.02, 0.08, 0.01), Interval(-0.03, -0.05, -0.01, 0.01), Interval(0.01, -0.02, 0.04, 0.5)


def run_of(folder: Path, rewards: dict[tuple[int, int], float], final: tuple[int, int] | None = None) -> Path:
    folder.mkdir()
    rows = [
        {"grow": grow, "improve": step, "split": "test", "decode": "sample", "reward": reward}
        for (grow, step), reward in rewards.items()
    ]
    (folder / "results.json").write_text(
        json.dumps({"steps": rows, "final": "g{}i{}".format(*(final or max(rewards)))})
    )
    return folder


def test_the_second_grow_step_is_its_last_improve_step_less_that_of_the_first(tmp_path: Path) -> None:
    first = {(0, 0): 0.7, (1, 1): 0.8, (1, 2): 0.82}
    runs = [
        run_of(tmp_path / "a", first | {(2, 1): 0.83, (2, 2): 0.84}),
        run_of(tmp_path / "b", first | {(2, 1): 0.85, (2, 2): 0.86}),
        run_of(tmp_path / "c", first),
        run_of(tmp_path / "d", first | {(2, 1): 0.99}, final=(1, 2)),  # rejected by a gate
    ]
    found = second_grow(runs)
    # Mean 0.03, standard error 0.01, Student's t with 1 degree of freedom 12.706.
    assert found.measured == "+0.030 [-0.097, +0.157] over 2 runs (t interval)"
    assert found.verdict == "not shown"
    assert second_grow(runs[2:]).verdict == "not shown"


@pytest.mark.parametrize(
    ("gains", "verdict"), [((UP, UP), "holds"), ((UP, OPEN), "not shown"), ((OPEN, DOWN), "does not hold")]
)
def test_every_loss_must_beat_the_supervised_policy(gains: tuple[Interval, ...], verdict: str) -> None:
    rows = {name: {"sample_reward_gain": gain} for name, gain in zip("ab", gains, strict=True)}
    assert beats_supervised(rows).verdict == verdict


def test_cloning_of_the_whole_batch_is_no_loss_of_the_papers() -> None:
    rows = {name: {"sample_reward_gain": gain} for name, gain in {"bc": DOWN, "gold": UP}.items()}
    claim = beats_supervised(rows)
    assert (claim.verdict, claim.measured.startswith("bc -0.030")) == ("holds", True)
    assert beats_supervised({"bc": rows["bc"]}).verdict == "not shown"


@pytest.mark.parametrize(
    ("differences", "verdict"), [((DOWN, DOWN), "holds"), ((DOWN, OPEN), "not shown"), ((DOWN, UP), "does not hold")]
)
def test_one_better_loss_refutes_that_bc_is_the_best(differences: tuple[Interval, ...], verdict: str) -> None:
    same = {name: {"sample_reward": difference} for name, difference in zip("ab", differences, strict=True)}
    assert best_loss(same).verdict == verdict
    assert best_loss({}).verdict == "not shown"


def test_a_loss_that_looks_worse_by_chance_refutes_nothing() -> None:
    """One of five is below 0 at 3 %, which five tests make 15 %."""
    chance = Interval(-0.03, -0.058, -0.002, 0.03)
    rows = {name: {"sample_reward_gain": gain} for name, gain in zip("abcde", (chance, *[OPEN] * 4), strict=True)}
    assert beats_supervised(rows).verdict == "not shown"


@pytest.mark.parametrize(
    ("spread", "quality", "verdict"),
    [(0.01, (0.8, 0.9, 0.7), "holds"), (0.01, (0.8, 0.6, 0.5), "does not hold"), (2.0, (0.8, 0.9, 0.7), "not shown")],
)
def test_the_orders_by_reward_and_by_oracle(spread: float, quality: tuple[float, ...], verdict: str) -> None:
    rng = np.random.default_rng(0)
    entries = [
        Entry(name, {}, {
            seed: [
                {
                    "source": f"source {i}",
                    "sample_reward": reward + spread * rng.normal(),
                    "sample_oracle": oracle + spread * rng.normal(),
                }
                for i in range(50)
            ]
            for seed in range(5)
        })
        for name, reward, oracle in zip("abc", (0.9, 0.8, 0.7), quality, strict=True)
    ]  # fmt: skip
    rows = {
        name: {
            "sample_reward": Interval(reward, 0, 1, 0),
            "sample_oracle": Interval(oracle, 0, 1, 0),
            "sample_oracle_gain": UP,
        }
        for name, reward, oracle in zip("abc", (0.9, 0.8, 0.7), quality, strict=True)
    }
    beats, order = order_by_quality(rows, entries)
    assert (beats.verdict, order.verdict) == ("holds", verdict)
    assert "best by reward a, by oracle " in order.measured


def test_without_an_oracle_there_is_no_order_by_it() -> None:
    assert [claim.verdict for claim in order_by_quality({"a": {"sample_reward": UP}}, [])] == ["not shown", "not shown"]


def test_the_value_network_is_held_to_the_papers_numbers() -> None:
    def report(kendall: float | None, spearman: float | None) -> dict[str, object]:
        return {split: {"final": {"kendall": kendall, "spearman": spearman}} for split in ("train", "held_out")}

    assert value_rank([report(0.93, 0.99)]).verdict == "holds"
    assert value_rank([report(0.93, 0.985)]).verdict == "does not hold"
    assert value_rank([report(None, None)]).verdict == "not shown"
    found = value_rank([report(0.4, 0.5), report(0.6, 0.7)])
    assert found.verdict == "does not hold"
    assert "train kendall 0.500 ± 0.100" in found.measured
    assert "| 10 |" in claims_table([found])
