"""Verdicts on the paper's claims, each from arrays of whole runs alone.

Shape letters: R runs, N sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.reports.claims import KENDALL, SPEARMAN, of_all, verdict_on
from experiments.reports.statistics import Interval, interval, order_difference

Word = Literal["holds", "does not hold", "not shown", "not run"]

MANY, FEW = 200, 8
"""Samples of the supervised policy that the best ReST with fewer than 10 matches in the paper (figure 6); and the most
below 10 that a report of best of N has."""

UNFILTERED = "G=1 I=0"
"""The paper's name for BC on all that was grown: a control, no loss of its own."""

MARGIN, BLEU_MARGIN = 0.01, 1.0
"""Reward, and BLEU, by which something may lie below another and still do as well."""

SPENT = 0.9
"""Share of the planned samples from which on an online agent's run has drawn as many as it is held against."""


class Verdict(NamedTuple):
    """What runs say of a claim."""

    word: Word
    """"not shown" where an interval includes 0, "not run" where runs are missing."""
    measured: str
    """Our figures, with their 95 % intervals."""
    estimates: Mapping[str, Interval] = {}
    """What a figure shows, by name."""


class OnlineRuns(NamedTuple):
    """What R runs of an online agent came to."""

    reward: NDArray[np.float64]
    """Of its samples at the end, [R,N]."""
    bleu: NDArray[np.float64]
    """Change of greedy BLEU since the supervised policy, [R]."""
    samples: NDArray[np.float64]
    """Drawn in all, [R]."""


class Correlations(NamedTuple):
    """Rank correlations of value and reward in R runs."""

    kendall: NDArray[np.float64]
    """Kendall's tau, [R]."""
    spearman: NDArray[np.float64]
    """Spearman's rho, [R]."""


def every_step_raises(gains: Mapping[str, NDArray[np.float64]], where: str) -> Verdict:
    """Claim 1: every Improve step raises the mean reward.

    Args:
        gains: Of each step, [R,N]: its last weights less what it started from, by reward.
        where: What the gains are of.
    """
    estimates = {step: interval(values) for step, values in gains.items()}
    return Verdict(of_all(estimates), f"reward of {where}: {_listed(estimates)}", estimates)


def second_grow_raises(
    first: NDArray[np.float64], second: NDArray[np.float64], one_grow: NDArray[np.float64] | None
) -> Verdict:
    """Claim 2: a second Grow step raises the reward further.

    Args:
        first: Rewards after the last Improve step of the first, [R,N].
        second: After that of the second.
        one_grow: After as many Improve steps on the first one's batch; None where no such arm was trained.
    """
    estimates = {"above G=1": interval(second - first)}
    if one_grow is not None:
        estimates["above as many Improve steps in one"] = interval(second - one_grow)
    return Verdict(verdict_on(estimates["above G=1"]), f"reward of samples: {_listed(estimates)}", estimates)


def every_loss_beats_supervised(gains: Mapping[str, Interval], unfiltered: Interval) -> Verdict:
    """Claim 3: every loss with one Grow step beats supervised BC.

    Args:
        gains: In reward, by loss.
        unfiltered: Gain of BC on all that was grown, which is told beside them.
    """
    estimates = {**gains, UNFILTERED: unfiltered}
    return Verdict(of_all(gains), f"reward of samples: {_listed(estimates)}", estimates)


def no_loss_beats_bc(differences: Mapping[str, Interval]) -> Verdict:
    """Claim 4: BC is the best loss; differences in reward from it by loss, on the same data."""
    # One loss that is better refutes it; that all are worse confirms it.
    worse = {name: difference.negated() for name, difference in differences.items()}
    return Verdict(of_all(worse), f"reward of samples, less filtered BC: {_listed(differences)}", differences)


def beats_online(
    reward: NDArray[np.float64],
    bleu: NDArray[np.float64],
    unfiltered: NDArray[np.float64],
    online: Mapping[str, OnlineRuns],
    planned: int,
    *,
    judged: str = "ppo",
) -> Verdict:
    """Claim 5: G=1 beats online PPO at a comparable number of samples; PPO is no better than BC on all of the batch.

    And PPO loses BLEU while ReST does not: each by one margin, and PPO more than ReST. A run of PPO that drew too few
    samples decides nothing.

    Args:
        reward: Of samples after the last Improve step of the first Grow step, [R,N].
        bleu: Changes of greedy BLEU since the supervised policy, [R].
        unfiltered: Rewards of BC on all that was grown, [R,N].
        online: The online agents' runs, of the same seeds in the same order.
        planned: Samples that each of their runs was to draw.
        judged: The online agent that decides.
    """
    agent, name = online[judged], f"{judged} above {UNFILTERED}"
    ahead = {f"G=1 above {each}": interval(reward - runs.reward) for each, runs in online.items()}
    ahead[name] = interval(agent.reward - unfiltered)
    changes = {"ReST": bleu} | {each: runs.bleu for each, runs in online.items()}
    changes |= {f"ReST less {each}": bleu - runs.bleu for each, runs in online.items()}
    in_bleu = {each: interval(values[:, None]) for each, values in changes.items()}
    words = [
        _above(reward - agent.reward),
        _above(unfiltered - agent.reward, -MARGIN),
        _above(bleu[:, None], -BLEU_MARGIN),
        _above(-agent.bleu[:, None], BLEU_MARGIN),
        _above((bleu - agent.bleu)[:, None]),
    ]
    drawn = ", ".join(f"{each} {runs.samples.mean():,.0f}" for each, runs in online.items())
    measured = f"reward of samples: {_listed(ahead)}; greedy BLEU: {_listed(in_bleu, '+.1f')}"
    measured += f"; samples, of {planned:,}: {drawn}"
    if (fewest := agent.samples.min()) < SPENT * planned:
        too_few = f"a run of {judged} drew {fewest:,.0f} samples, less than {100 * SPENT:g} % of what was planned"
        return Verdict("not shown", f"{measured}; {too_few}", ahead)
    return Verdict(_all_of(words), measured, ahead)


def few_are_worth_many(
    number: float | None, low: float | None, high: float | None, largest: int, gains: Mapping[str, Interval]
) -> Verdict:
    """Claim 6: the best of fewer than 10 samples of ReST has the reward of the best of 200 of the supervised policy.

    Args:
        number: N of the supervised policy that reaches the best of :data:`FEW` of ReST; None where none does.
        low: Of its interval.
        high: Of its interval; None where no N that was measured is so high.
        largest: The largest N that was measured.
        gains: What the best of the largest N adds to one sample's reward, by policy.
    """
    known = [str(int(each)) if each is not None else f"above {largest}" for each in (number, low, high)]
    measured = (
        f"by reward, {FEW} samples of ReST are worth {known[0]} [{known[1]}, {known[2]}] of the supervised policy"
    )
    words: dict[bool, Word] = {True: "holds", False: "not shown"}
    word = "does not hold" if high is not None and high < MANY else words[low is None or low >= MANY]
    return Verdict(word, f"{measured}; the best of {largest} adds, over runs, {_listed(gains)}", gains)


def order_differs(
    base: Mapping[str, NDArray[np.float64]],
    reward: Mapping[str, NDArray[np.float64]],
    quality: Mapping[str, NDArray[np.float64]],
    grow: tuple[str, str],
) -> Verdict:
    """Claim 7: all variants beat BC for humans, one Grow step is best for them, and their order by reward is another.

    The oracle stands for the human.

    Args:
        base: True quality of samples of the supervised policies that each variant started from, [R,N].
        reward: Of each variant's samples, [R,N].
        quality: The same by true quality.
        grow: Names of the variants after one Grow step and after two.
    """
    gains = {name: interval(values - base[name]) for name, values in quality.items()}
    one, two = grow
    second = interval(quality[two] - quality[one])
    differ = order_difference(reward, quality)
    measured = f"true quality of samples above BC: {_listed(gains)}; {two} less {one} {second:+.3f}; {differ}"
    word = _all_of([of_all(gains), verdict_on(second.negated()), differ.verdict])
    return Verdict(word, measured, gains | {f"{two} less {one}": second})


def varies_where_bad(difference: Interval, bands: Mapping[str, Interval]) -> Verdict:
    """Claim 8: rewards vary most where quality is low.

    Args:
        difference: Standard deviation over a source's samples where true quality is at most 0.5, less that elsewhere.
        bands: The standard deviation by band of true quality.
    """
    measured = f"standard deviation of a source's rewards, by its true quality: {_listed(bands, '.2f')}"
    return Verdict(verdict_on(difference), f"{measured}; at most 0.5 less above it {difference:+.3f}", bands)


def filters_do_as_well(differences: Mapping[str, NDArray[np.float64]]) -> Verdict:
    """Claim 9: filters within a source do as well as the global one; differences in reward from it by filter, [R,N]."""
    estimates = {name: interval(values) for name, values in differences.items()}
    # Tested against a loss of the margin, whose p-value is another than that of no difference.
    above_margin = {name: interval(values + MARGIN) for name, values in differences.items()}
    measured = f"reward of samples, less the threshold's: {_listed(estimates)}; as well is within {MARGIN:g}"
    return Verdict(of_all(above_margin), measured, estimates)


def value_ranks(long: Correlations, default: Correlations | None) -> Verdict:
    """Claim 10: the value function ranks training data as the reward does.

    Args:
        long: Of value functions trained for some 50 epochs, which decide.
        default: Of those of the comparison of losses, of a value network's default budget; None where there are none.
    """
    estimates = _ranks(long)
    reached = [_above(long.kendall[:, None], KENDALL), _above(long.spearman[:, None], SPEARMAN)]
    measured = f"at the final position, training data: {_listed(estimates, '.3f')}"
    if default is not None:
        known = _ranks(default, " by default")
        estimates, measured = estimates | known, f"{measured}; {_listed(known, '.3f')}"
    return Verdict(_all_of(reached), measured, estimates)


def _ranks(known: Correlations, how: str = "") -> dict[str, Interval]:
    return {f"{name.capitalize()}{how}": interval(values[:, None]) for name, values in known._asdict().items()}


def refresh_helps(
    accuracy: Mapping[str, NDArray[np.float64]],
    greedy: Mapping[str, NDArray[np.float64]],
    samples: Mapping[str, NDArray[np.float64]],
    nats: Mapping[str, NDArray[np.float64]],
) -> Verdict:
    """The paper's future work: a scorer that learns from fresh ratings ranks better, and translations gain by it.

    The last Grow step decides, by greedy translations: a refreshed scorer's rewards may lie elsewhere, and the same
    threshold then keep other shares, which makes a policy sharper and its samples better by that alone.

    Args:
        accuracy: By Grow step, within-source accuracy of the refreshed scorer less the first one's, of each run, [R].
        greedy: True quality of greedy translations less that of the same run without a refresh, [R,N].
        samples: The same of samples.
        nats: Entropy per token less that of the same run without a refresh, [R].
    """
    ranks = {f"accuracy, {name}": interval(values[:, None]) for name, values in accuracy.items()}
    better = {f"greedy, {name}": interval(values) for name, values in greedy.items()}
    sampled = {f"samples, {name}": interval(values) for name, values in samples.items()}
    entropy = {f"nats per token, {name}": interval(values[:, None]) for name, values in nats.items()}
    last = [verdict_on(list(each.values())[-1]) for each in (ranks, better)]
    measured = (
        f"the refreshed scorer less the first: {_listed(ranks)}; true quality less that without a refresh: "
        f"{_listed(better | sampled)}; {_listed(entropy)}"
    )
    return Verdict(_all_of(last), measured, ranks | better | sampled | entropy)


def is_worse(difference: NDArray[np.float64], of: str) -> Verdict:
    """A negative result: an agent is worse than what it is compared with; differences [R,N] in reward."""
    estimate = interval(difference)
    return Verdict(verdict_on(estimate.negated()), f"{of}: {estimate:+.3f}", {of: estimate})


def not_run(missing: Sequence[str]) -> Verdict:
    """Of a claim whose runs are not there."""
    return Verdict("not run", f"needs {', '.join(missing)}")


def _listed(estimates: Mapping[str, Interval], spec: str = "+.3f") -> str:
    return "; ".join(f"{name} {estimate:{spec}}" for name, estimate in estimates.items())


def _above(values: NDArray[np.float64], level: float = 0.0) -> Word:
    """The verdict on a claim that the mean of values [R,N] is above a level; below it, it does not hold."""
    return verdict_on(interval(values - level))


def _all_of(words: Sequence[str]) -> Word:
    """The verdict on a claim of several parts: one that does not hold refutes it."""
    if "does not hold" in words:
        return "does not hold"
    return "holds" if all(word == "holds" for word in words) else "not shown"
