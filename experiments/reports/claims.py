"""Claims of the paper that a comparison of agents can test: our numbers and a verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from experiments.reports.comparison_entry import Entry
from experiments.reports.statistics import Interval, holm, interval, order_difference
from experiments.reports.tables import table
from experiments.runs.finished_stages import step_of
from seq2seq_env.atomic_files import read_json

KENDALL, SPEARMAN = 0.92, 0.99
"""The paper's rank correlations of the value function with the reward."""

CONTROL = "bc"
"""BC on all that was grown, "G=1 I=0", which is told beside the losses and decides nothing."""

Word = Literal["holds", "does not hold", "not shown"]


class Claim(NamedTuple):
    """One row of the report."""

    number: str
    """In the order of the reproduction's list."""
    says: str
    """The paper's statement, and where it stands."""
    measured: str
    """Our figures, with their 95 % intervals."""
    verdict: str
    """"holds", "does not hold", or "not shown" where the interval includes 0 or there is nothing to tell."""


def second_grow(runs: Sequence[Path]) -> Claim:
    """A second Grow step raises the reward further: last Improve steps of the first and second Grow step of runs.

    Args:
        runs: Folders of growing_batch.py.
    """
    says = "a second Grow step raises the reward further (figure 4)"
    gains = [gain for gain in map(_second_gain, runs) if gain is not None]
    if len(gains) < 2:
        nothing = "needs two finished runs of growing_batch.py with G = 2; name them with --runs"
        return Claim("2", says, nothing, "not shown")
    gain = interval(np.array(gains)[:, None])
    return Claim("2", says, f"{gain:+.3f} over {len(gains)} runs (t interval)", verdict_on(gain))


def _second_gain(run: Path) -> float | None:
    results = read_json(run / "results.json")
    final = step_of(results["final"])  # steps after it were rejected by a gate
    rows = [row for row in results["steps"] if (row["grow"], row["improve"]) <= final]
    last: dict[int, tuple[int, float]] = {}
    for row in rows:
        if row["split"] == "test" and row["decode"] == "sample" and row["improve"]:
            last[row["grow"]] = max(last.get(row["grow"], (0, 0.0)), (row["improve"], row["reward"]))
    return last[2][1] - last[1][1] if {1, 2} <= last.keys() else None


def beats_supervised(rows: Mapping[str, Mapping[str, Any]]) -> Claim:
    """Every loss with one Grow step beats supervised BC.

    Args:
        rows: The report's agents.
    """
    gains = {name: row["sample_reward_gain"] for name, row in rows.items()}
    return _all_gain("3", "every loss with G = 1 beats supervised BC (figure 5)", gains)


def best_loss(same_data: Mapping[str, Mapping[str, Any]]) -> Claim:
    """BC is the best loss, on exactly the data that filtered BC sees.

    Args:
        same_data: Differences from filtered BC on its own slice.
    """
    says = "BC is the best loss for the reward (figures 5, 13)"
    if not same_data:
        return Claim("4", says, "needs filtered-bc and another agent", "not shown")
    differences = {name: row["sample_reward"] for name, row in same_data.items()}
    # One agent that is better refutes it; that all are worse confirms it.
    worse = {name: difference.negated() for name, difference in differences.items()}
    return Claim("4", says, f"less filtered-bc on the same data: {_listed(differences)}", of_all(worse))


def order_by_quality(rows: Mapping[str, Mapping[str, Any]], entries: Sequence[Entry]) -> list[Claim]:
    """All variants beat BC for humans, but the order by reward is another; the oracle stands for the human.

    Args:
        rows: The report's agents.
        entries: The same, with their values by seed and source.
    """
    judged = {name: row for name, row in rows.items() if "sample_oracle" in row}
    beats = "all ReST variants beat BC for humans (figure 7; here the oracle)"
    order = "the order of variants by reward and by humans differs (figure 7; here the oracle)"
    if not judged:
        nothing = "the task has no oracle"
        return [Claim("7", beats, nothing, "not shown"), Claim("7", order, nothing, "not shown")]
    gains = {name: row["sample_oracle_gain"] for name, row in judged.items()}
    claims = [_all_gain("7", beats, gains)]
    if len(judged) < 2:
        return [*claims, Claim("7", order, "needs two agents", "not shown")]
    from scipy.stats import kendalltau

    columns = ("sample_reward", "sample_oracle")
    orders = [sorted(judged, key=lambda name: -judged[name][key].mean) for key in columns]
    means = [[row[key].mean for row in judged.values()] for key in columns]
    if any(len(set(each)) == 1 for each in means):
        return [*claims, Claim("7", order, "by one measure all are equal, so there is no order", "not shown")]
    tau = float(kendalltau(*means).statistic)
    best = f"best by reward {orders[0][0]}, by oracle {orders[1][0]}"
    # Runs are paired by their seeds, which all of the agents have.
    seeds = sorted(set.intersection(*({*entry.translations} for entry in entries)))
    if not seeds:
        return [*claims, Claim("7", order, "no seed has all agents", "not shown")]
    by_reward, by_oracle = ({entry.name: entry.values(key, seeds) for entry in entries} for key in columns)
    differ = order_difference(by_reward, by_oracle)
    measured = f"Kendall tau of the two orders {tau:.2f} over {len(judged)}; {best}; {differ}"
    return [*claims, Claim("7", order, measured, differ.verdict)]


def value_rank(reports: Sequence[Mapping[str, Any]]) -> Claim:
    """The value network ranks training sequences as the reward does.

    Args:
        reports: Of the trainings that have a value network, as JSON.
    """
    says = "at the final position V ranks the training data: Kendall 0.92, Spearman above 0.99 (A.8.4)"
    if not reports:
        return Claim("10", says, "needs an agent with a value network", "not shown")
    numbers = {
        (split, kind): [value for report in reports if (value := report[split]["final"][kind]) is not None]
        for split in ("train", "held_out")
        for kind in ("kendall", "spearman")
    }
    if not all(numbers.values()):
        return Claim("10", says, "the reward or the value never varied, so nothing ranks", "not shown")
    measured = ", ".join(
        f"{split.replace('_', ' ')} {kind} {np.mean(values):.3f} ± {np.std(values):.3f}"
        for (split, kind), values in numbers.items()
    )
    reached = np.mean(numbers["train", "kendall"]) >= KENDALL and np.mean(numbers["train", "spearman"]) >= SPEARMAN
    return Claim("10", says, measured, "holds" if reached else "does not hold")


def claims_table(claims: Sequence[Claim]) -> str:
    """Claims as a table in Markdown."""
    return table(("claim", "the paper says", "measured", "verdict"), claims)


def of_all(gains: Mapping[str, Interval]) -> Word:
    """The verdict on a claim that all of some agents gain.

    That each is above 0 needs no correction for their number. That one of them is below 0 does: with many agents, one
    will look so by chance.
    """
    if all(gain.low > 0 for gain in gains.values()):
        return "holds"
    corrected = holm({name: gain.p for name, gain in gains.items()})
    lost = any(gain.mean < 0 and corrected[name] < 0.05 for name, gain in gains.items())
    return "does not hold" if lost else "not shown"


def verdict_on(gain: Interval) -> Word:
    """The verdict on a claim that something gains."""
    return "holds" if gain.low > 0 else "does not hold" if gain.high < 0 else "not shown"


def _all_gain(number: str, says: str, gains: Mapping[str, Interval]) -> Claim:
    losses = {name: gain for name, gain in gains.items() if name != CONTROL}
    return Claim(number, says, _listed(gains), of_all(losses) if losses else "not shown")


def _listed(gains: Mapping[str, Interval]) -> str:
    return "; ".join(f"{name} {gain:+.3f}" for name, gain in gains.items())
