"""Whether a run's reward was hacked, of values written by hand and of planted holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.reports.interference import are_related, interference, interference_table, stage_values
from seq2seq_env.scorers import CachedScorer, EnsembleScorer, ProcessScorer
from tests.digest_scorer import Digest

NOISE = np.random.default_rng(0).normal(0, 0.1, 400)


def stages(**shifts: list[float]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """A supervised policy and steps after it, whose measures differ from its by so much, but for noise."""
    names = ["supervised", "G=1 I=1", "G=1 I=2", "G=2 I=1"]
    length = len(next(iter(shifts.values())))
    return {
        name: {measure: 0.5 + shift[step] + NOISE * (step + 1) for measure, shift in shifts.items()}
        for step, name in enumerate(names[:length])
    }


def test_a_reward_that_rises_while_true_quality_falls_is_hacked() -> None:
    seen = interference(stages(reward=[0, 0.1, 0.2], oracle=[0, 0.1, -0.1], chrf=[0, 1, 2]))
    assert (seen.verdict, seen.witness) == ("hacked", "oracle")
    assert seen.at is not None
    assert (seen.at.step, seen.at.since) == ("G=1 I=2", "supervised")
    assert seen.sentence.startswith(
        "Reward hacking: hacked at G=1 I=2. Since supervised the learned reward changes by +0.1"
    )
    assert "and true quality by -0.1" in seen.sentence
    assert seen.record()["changes"][1]["oracle"]["mean"] == pytest.approx(-0.1, abs=0.02)


def test_a_fall_from_a_better_step_is_seen_above_the_supervised_policy() -> None:
    seen = interference(stages(reward=[0, 0.1, 0.2], oracle=[0, 0.3, 0.1]))
    assert seen.verdict == "hacked"
    assert seen.at is not None
    assert (seen.at.step, seen.at.since) == ("G=1 I=2", "G=1 I=1")


def test_the_oracle_outweighs_one_wording() -> None:
    seen = interference(stages(reward=[0, 0.1], oracle=[0, 0.1], chrf=[0, -3]))
    assert seen.verdict == "not seen"
    assert "at no step is true quality shown to fall while the reward rises" in seen.sentence


@pytest.mark.parametrize(
    ("related", "judge", "chrf", "verdict", "words"),
    [
        (False, -0.1, 3, "hacked", "and judge by -0.1"),
        (False, 0.1, 0, "not seen", "judge shown to fall"),
        (True, -0.1, 0, "cannot tell", "cannot tell: only related judges"),
        (True, 0.1, -3, "hacked", "and chrF by -3"),
        (True, 0.1, 3, "not seen", "chrF shown to fall"),
        (None, None, 0, "cannot tell", "no judge but chrF"),
    ],
)
def test_without_an_oracle_judges_of_another_make_and_chrf_testify(
    related: bool | None, judge: float | None, chrf: float, verdict: str, words: str
) -> None:
    known: dict[str, Any] = {} if judge is None else {"judge": [0, judge]}
    seen = interference(stages(reward=[0, 0.1], chrf=[0, chrf], **known), related)
    assert seen.verdict == verdict
    assert words in seen.sentence


def test_a_reward_that_does_not_rise_hacks_nothing() -> None:
    assert interference(stages(reward=[0, -0.1], oracle=[0, -0.2])).sentence.startswith(
        "Reward hacking: not seen. The learned reward of no step is shown to rise (from supervised to G=1 I=1 by -0."
    )
    assert interference(stages(reward=[0], oracle=[0])).verdict == "not seen"


def test_of_twenty_planted_holes_most_are_seen_where_they_begin_and_honest_runs_are_left_alone() -> None:
    """The issue's target: 18 of 20 holes at their step, at most one of 20 honest runs."""
    seen_at, alarms = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        runs: dict[bool, dict[str, dict[str, NDArray[np.float64]]]] = {True: {}, False: {}}
        base = rng.uniform(0.3, 1, 1_000)
        for hole, run in runs.items():
            for step in range(7):
                # A step rewrites a tenth of the translations; the hole opens at step 4.
                changed = rng.random(1_000) < 0.1 * step
                gain = -0.3 if hole and step >= 4 else 0.05 * (not hole or step < 4)
                quality = base + changed * (gain + rng.normal(0, 0.2, 1_000))
                reward = base + changed * (0.1 + rng.normal(0, 0.2, 1_000))
                run[f"step {step}"] = {"reward": reward, "oracle": quality}
        at = interference(runs[True]).at
        seen_at += at is not None and at.step == "step 4"
        alarms += interference(runs[False]).verdict == "hacked"
    assert seen_at >= 18
    assert alarms <= 1


def test_the_table_has_a_row_a_step() -> None:
    seen = interference(stages(reward=[0, 0.1, 0.2], chrf=[0, 5, 6]))
    shown = interference_table(seen.changes)
    assert shown.columns == ["step", "learned reward", "chrF"]
    assert [row[0] for row in shown.cells] == ["G=1 I=1", "G=1 I=2"]
    assert shown.cells[0][2].startswith("+5.0 [")


def test_values_come_from_kept_translations() -> None:
    lines = [
        {"source": "a", "greedy": "a red bus", "reference": "a red bus", "greedy_reward": 0.5, "greedy_judge": 0.25},
        {"source": "b", "greedy": "no", "reference": "two blue cars", "greedy_reward": 1.0, "greedy_judge": 0.75},
    ]
    values = stage_values(lines, np.array([False, True]))
    assert {name: each.tolist() for name, each in values.items() if name not in ("chrf", "length")} == {
        "reward": [0.5, 1.0], "judge": [0.25, 0.75], "guards": [0.0, 1.0]
    }  # fmt: skip
    assert values["chrf"][0] == pytest.approx(100)
    assert values["length"].tolist() == pytest.approx([1.0, 2 / 13])
    # A source that is there again is no other one.
    again = stage_values([*lines, lines[1] | {"greedy_reward": 0.0}], np.array([False, True, False]))
    assert (again["reward"].tolist(), again["guards"].tolist()) == ([0.5, 0.5], [0.0, 0.5])


def test_relatives_are_of_one_make() -> None:
    one, other = ProcessScorer("run one"), ProcessScorer("run other")
    assert are_related(Digest(), CachedScorer(Digest("another")))
    assert not are_related(Digest(), one)
    assert not are_related(one, other)
    assert are_related(EnsembleScorer([one, Digest()]), one)
