"""Verdicts on hand-made runs: five runs of four sources, whose differences are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.paper.verdicts import (
    Correlations,
    OnlineRuns,
    Verdict,
    beats_online,
    every_loss_beats_supervised,
    every_step_raises,
    few_are_worth_many,
    filters_do_as_well,
    is_worse,
    no_loss_beats_bc,
    not_run,
    order_differs,
    refresh_helps,
    second_grow_raises,
    value_ranks,
    varies_where_bad,
)
from experiments.reports.statistics import Interval, interval

NOISE = np.random.default_rng(0).normal(0, 0.01, (5, 4))
UP, DOWN, OPEN = Interval(0.05, 0.02, 0.08, 0.01), Interval(-0.03, -0.05, -0.01, 0.01), Interval(0.01, -0.02, 0.04, 0.5)


def around(mean: float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = NOISE - NOISE.mean() + mean
    return values


@pytest.mark.parametrize(
    ("means", "word"), [((0.1, 0.2), "holds"), ((0.1, 0.001), "not shown"), ((0.1, -0.2), "does not hold")]
)
def test_every_step_counts(means: tuple[float, ...], word: str) -> None:
    verdict = every_step_raises({f"G=1 I={i}": around(mean) for i, mean in enumerate(means, start=1)}, "tests")
    assert verdict.word == word
    assert list(verdict.estimates) == ["G=1 I=1", "G=1 I=2"]
    assert verdict.estimates["G=1 I=2"].mean == pytest.approx(means[1])


def test_a_second_grow_step_is_held_against_the_first_and_its_control_is_told() -> None:
    first, second, one = around(0.8), 0.1 + around(0.8) + NOISE, 0.1 + around(0.8)
    verdict = second_grow_raises(first, second, one)
    assert verdict.word == "holds"
    assert "above as many Improve steps in one" in verdict.estimates
    assert list(second_grow_raises(first, second, None).estimates) == ["above G=1"]
    assert second_grow_raises(second, first, None).word == "does not hold"


@pytest.mark.parametrize(
    ("estimates", "beats", "best"),
    [
        ((UP, UP), "holds", "does not hold"),
        ((UP, OPEN), "not shown", "does not hold"),
        ((DOWN, DOWN), "does not hold", "holds"),
        ((OPEN, DOWN), "does not hold", "not shown"),
    ],
)
def test_of_losses_all_must_gain_and_none_be_above_bc(estimates: tuple[Interval, ...], beats: str, best: str) -> None:
    by_loss = dict(zip("ab", estimates, strict=True))
    assert every_loss_beats_supervised(by_loss, DOWN).word == beats  # the control decides nothing
    assert no_loss_beats_bc(by_loss).word == best


def changes(mean: float) -> NDArray[np.float64]:
    return mean + np.array([-0.1, 0.0, 0.1, 0.05, -0.05])


def of_ppo(reward: float, bleu: float | NDArray[np.float64], samples: float = 1_000.0) -> OnlineRuns:
    changed = changes(bleu) if isinstance(bleu, float) else bleu
    return OnlineRuns(around(reward) - NOISE, changed, np.array([1_000.0] * 4 + [samples]))


@pytest.mark.parametrize(
    ("ppo", "rest_bleu", "ppo_bleu", "word"),
    [
        (0.7, 0.0, -8.0, "holds"),
        (0.9, 0.0, -8.0, "does not hold"),  # PPO has more reward
        (0.7, 0.0, 2.0, "does not hold"),  # PPO gains BLEU
        (0.7, 0.5, -0.5, "does not hold"),  # PPO loses no more than is granted to ReST
        (0.7, 0.0, -1.0, "not shown"),
        (0.7, -3.0, -8.0, "does not hold"),  # ReST loses BLEU, too
    ],
)
def test_online_rl_is_below_in_reward_and_loses_bleu(ppo: float, rest_bleu: float, ppo_bleu: float, word: str) -> None:
    online = {"ppo": of_ppo(ppo, ppo_bleu), "rloo": of_ppo(0.99, 9.0, 10.0)}
    verdict = beats_online(around(0.8), changes(rest_bleu), around(0.9) + NOISE, online, 1_000)
    assert verdict.word == word
    assert list(verdict.estimates) == ["G=1 above ppo", "G=1 above rloo", "ppo above G=1 I=0"]
    assert f"ReST less ppo {rest_bleu - ppo_bleu:+.1f}" in verdict.measured
    assert verdict.measured.endswith("samples, of 1,000: ppo 1,000, rloo 802")


def test_a_loss_that_the_runs_do_not_exclude_is_not_shown_to_be_none() -> None:
    unfiltered, online = around(0.9) + NOISE, {"ppo": of_ppo(0.7, -8.0)}
    assert beats_online(around(0.8), 100 * changes(0.0), unfiltered, online, 1_000).word == "not shown"
    no_better = around(0.7) - NOISE + 100 * NOISE
    assert beats_online(around(0.8), changes(0.0), no_better, online, 1_000).word == "not shown"
    above = beats_online(around(0.8), changes(0.0), around(0.6) + NOISE, online, 1_000)
    assert above.word == "does not hold"  # PPO is above BC on all of the batch
    assert above.estimates["ppo above G=1 I=0"].mean == pytest.approx(0.1, abs=0.02)


def test_rest_must_keep_more_bleu_than_online_rl() -> None:
    # Both lie on their sides of the margin, by themselves, and of each pair of runs nothing is sure.
    rest, ppo = np.array([-0.9, 0.5, -0.9, 0.5, -0.9]), np.array([-1.1, -9.0, -1.1, -9.0, -1.1])
    assert beats_online(around(0.8), rest, around(0.9) + NOISE, {"ppo": of_ppo(0.7, ppo)}, 1_000).word == "not shown"


def test_online_rl_that_drew_too_few_samples_shows_nothing() -> None:
    few, enough = (
        beats_online(around(0.8), changes(0.0), around(0.9), {"ppo": of_ppo(0.7, -8.0, samples)}, 1_000)
        for samples in (899.0, 900.0)
    )
    assert enough.word == "holds"
    assert few.word == "not shown"
    assert few.measured.endswith("; a run of ppo drew 899 samples, less than 90 % of what was planned")


@pytest.mark.parametrize(
    ("interval", "word", "said"),
    [
        ((49.0, 23.0, 117.0), "does not hold", "worth 49 [23, 117]"),
        ((220.0, 201.0, None), "holds", "worth 220 [201, above 256]"),
        ((220.0, 90.0, None), "not shown", "worth 220 [90, above 256]"),
        ((None, None, None), "holds", "worth above 256 [above 256, above 256]"),
    ],
)
def test_few_samples_must_be_worth_200(interval: tuple[float | None, ...], word: str, said: str) -> None:
    number, low, high = interval
    verdict = few_are_worth_many(number, low, high, 256, {"supervised": UP})
    assert verdict.word == word
    assert said in verdict.measured


def ordered(one: float, two: float, *, reversed_by_quality: bool) -> Verdict:
    reward = {"G=1": around(0.8), "G=2": around(0.9)}
    quality = {"G=1": around(one), "G=2": around(two)}
    verdict = order_differs({"G=1": around(0.5) + NOISE, "G=2": around(0.5) + NOISE}, reward, quality, ("G=1", "G=2"))
    assert f"probability {reversed_by_quality:.2f}" in verdict.measured
    return verdict


def test_the_order_for_people_must_be_another_with_one_grow_step_the_best() -> None:
    assert ordered(0.9, 0.7, reversed_by_quality=True).word == "holds"
    assert ordered(0.7, 0.9, reversed_by_quality=False).word == "does not hold"


@pytest.mark.parametrize(("difference", "word"), [(UP, "holds"), (OPEN, "not shown"), (DOWN, "does not hold")])
def test_rewards_vary_where_quality_is_low(difference: Interval, word: str) -> None:
    assert varies_where_bad(difference, {"0 to 0.25": UP}).word == word


def test_a_filter_within_the_margin_does_as_well() -> None:
    close, far = around(-0.005) - NOISE + 0.1 * NOISE, around(-0.05)
    assert close.mean() + 0.001 < 0  # a loss that is sure, and within the margin
    assert filters_do_as_well({"percentile": close, "interpolation": around(0.1)}).word == "holds"
    assert filters_do_as_well({"percentile": close, "interpolation": 10 * NOISE}).word == "not shown"
    assert filters_do_as_well({"percentile": close, "interpolation": far}).word == "does not hold"


def test_of_many_filters_one_will_look_below_the_margin_by_chance() -> None:
    below = around(-0.021)
    assert interval(below + 0.01).high < 0
    assert filters_do_as_well({"a": below}).word == "does not hold"
    assert filters_do_as_well({name: below if name == "a" else 10 * NOISE for name in "abcdef"}).word == "not shown"


@pytest.mark.parametrize(
    ("kendall", "spearman", "word"),
    [
        (0.95, 0.995, "holds"),
        (0.95, 0.985, "does not hold"),
        (0.91, 0.995, "does not hold"),
        (0.92, 0.995, "not shown"),
    ],
)
def test_both_rank_correlations_must_be_reached(kendall: float, spearman: float, word: str) -> None:
    spread = np.array([-0.001, 0.0, 0.001])
    long = Correlations(kendall + spread, spearman + spread)
    assert value_ranks(long, None).word == word
    told = value_ranks(long, Correlations(0.4 + spread, 0.6 + spread))
    assert told.word == word  # by the long trainings alone
    assert list(told.estimates) == ["Kendall", "Spearman", "Kendall by default", "Spearman by default"]
    assert "; Kendall by default 0.400 [" in told.measured


def test_a_negative_result_holds_where_an_agent_is_worse() -> None:
    assert is_worse(around(-0.1), "reward").word == "holds"
    assert is_worse(around(0.1), "reward").word == "does not hold"
    assert is_worse(around(0.0), "reward").word == "not shown"
    assert not_run(["online", "rest"]) == ("not run", "needs online, rest", {})


@pytest.mark.parametrize(
    ("accuracy", "quality", "word"),
    [
        (0.1, 0.1, "holds"), (0.1, 0.0, "not shown"), (0.0, 0.1, "not shown"), (0.1, -0.1, "does not hold"),
        (-0.1, 0.1, "does not hold"),
    ],
)  # fmt: skip
def test_a_refreshed_scorer_must_rank_better_and_be_of_use_by_the_last_grow_step(
    accuracy: float, quality: float, word: str
) -> None:
    spread = np.array([-0.001, 0.0, 0.001])
    ranks, better = {"G=1": spread, "G=2": accuracy + spread}, {"G=1": around(0.0), "G=2": around(quality)}
    # Samples do not decide: they are better by a lower entropy, too.
    verdict = refresh_helps(ranks, better, {"G=2": around(0.1)}, {"G=2": spread - 0.1})
    assert verdict.word == word
    assert verdict.measured.startswith("the refreshed scorer less the first: accuracy, G=1 ")
    assert "; true quality less that without a refresh: greedy, G=1 " in verdict.measured
    assert list(verdict.estimates)[-2:] == ["samples, G=2", "nats per token, G=2"]
