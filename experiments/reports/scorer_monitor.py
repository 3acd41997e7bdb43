"""Monitoring of a scorer: whether it still ranks what the current policy writes as true quality does.

Three kinds of rows: the samples of each Grow step, whose rewards the filter goes by; the two test translations of each
step, a sample and the greedy one; and, where people have rated in place of an oracle, test translations of each rated
step beside the first policy's. Each is compared with the first of its kind. As a policy gets sharper its
candidates get more alike and harder to tell apart, so that accuracy falls a little with any scorer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from buffers import Slice, source_texts
from experiments.reports.interference import LEVEL
from experiments.reports.statistics import Interval, holm
from experiments.reports.tables import Table, p_value, table
from experiments.runs.finished_stages import is_step, stage_name, step_of
from experiments.runs.run_folder import read_lines
from experiments.scorer_training.rank_accuracy import RankAccuracy, rank_accuracy
from seq2seq_env.tasks import Task

SAMPLES = 2_000
"""Of a Grow step that the oracle judges at most, all candidates of sources evenly spread over it."""

RATED = "ratings/*/ratings.jsonl"
"""Files of a run's folder that hold single ratings."""

_NORMAL = 1.959964
"""Standard errors to either side that hold 95 %."""


class Monitored(NamedTuple):
    """The scorer on what one policy writes.

    Attributes:
        place: Name of the Grow step or of the stage.
        accuracy: Within-source accuracy, with its interval over sources.
        pairs: Pairs compared.
        since: Name of the first place of the same kind; None of that one itself.
        change: Of the accuracy since then, its p-value corrected for all places of the kind.
    """

    place: str
    accuracy: Interval
    pairs: int
    since: str | None = None
    change: Interval | None = None

    @property
    def fallen(self) -> bool:
        """Whether the accuracy is shown to be below the first one's."""
        return self.change is not None and self.change.mean < 0 and self.change.p < LEVEL

    def __str__(self) -> str:
        """A sentence."""
        change = f", {self.change:+.3f} since {self.since}" if self.change else ""
        return f"the scorer puts {self.accuracy:.3f} of {self.pairs:,} pairs at {self.place} in the right order{change}"

    def record(self) -> dict[str, Any]:
        """As JSON."""
        change = self.change._asdict() if self.change else None
        return self._asdict() | {"accuracy": self.accuracy._asdict(), "change": change, "fallen": self.fallen}


def monitored(accuracies: Mapping[str, RankAccuracy | None]) -> list[Monitored]:
    """What is known at each place of one kind, in order; places where no two hypotheses differ in quality are left out.

    Args:
        accuracies: By name of the place.
    """
    known = {place: each for place, each in accuracies.items() if each is not None}
    if not known:
        return []
    (name, first), *later = known.items()
    changes = {
        place: _interval(each.value - first.value, each.difference_error(first), null=0.0) for place, each in later
    }
    corrected = holm({place: change.p for place, change in changes.items()})
    rows = [Monitored(name, _interval(first.value, first.error, null=0.5), first.pairs)]
    for place, each in later:
        change = changes[place]._replace(p=corrected[place])
        rows.append(Monitored(place, _interval(each.value, each.error, null=0.5), each.pairs, name, change))
    return rows


def monitored_grow_steps(grown: Mapping[int, Slice], task: Task) -> list[Monitored]:
    """The scorer on the samples of each Grow step; nothing where the task has no oracle.

    Args:
        grown: Data of the Grow steps by number; references are left out.
        task: That grew them.
    """
    return monitored({f"Grow {g}": _grown_accuracy(data, task) for g, data in grown.items() if g})


def monitored_steps(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Monitored]:
    """The scorer on the sample and the greedy translation of each test source; nothing without true qualities.

    Args:
        lines: Kept translations of each step, the supervised policy's first.
    """
    if any("sample_oracle" not in each[0] for each in lines.values()):
        return []
    return monitored({step: _kept_accuracy(each) for step, each in lines.items()})


def monitored_ratings(ratings: Sequence[Mapping[str, Any]]) -> list[Monitored]:
    """The scorer on rated test translations: of each step, those of one source by it and by the first step rated.

    Args:
        ratings: Single ratings as ``rest rate import`` leaves them; raters of one translation are averaged.
    """
    scores: dict[tuple[str, str], list[float]] = {}
    writers: dict[tuple[str, str], set[str]] = {}
    rewards: dict[tuple[str, str], float] = {}
    for each in ratings:
        text = each["source"], each["hypothesis"]
        scores.setdefault(text, []).append(each["score"])
        writers.setdefault(text, set()).update(each["stages"])
        rewards[text] = each["reward"]
    steps = sorted({stage for each in writers.values() for stage in each if is_step(stage)}, key=step_of)
    first, accuracies = steps[:1], {}
    for stage in steps[1:]:
        texts = [text for text, by in writers.items() if by & {*first, stage}]
        qualities = np.array([np.mean(scores[text]) for text in texts], dtype=np.float32)
        known = np.array([rewards[text] for text in texts], dtype=np.float32)
        place = f"{stage_name(*first)} and {stage_name(stage)}, by people"
        accuracies[place] = rank_accuracy([source for source, _ in texts], qualities, known)
    return monitored(accuracies)


def rated(run: Path) -> list[Monitored]:
    """The same of the ratings that a run's folder holds, of each campaign by itself."""
    return [row for path in sorted(run.glob(RATED)) for row in monitored_ratings(read_lines(path))]


def monitor_warnings(rows: Sequence[Monitored]) -> list[str]:
    """A sentence for each place where the scorer has become worse."""
    return [
        f"WARNING: {each}: refresh it on what the policy writes now, or stop before this step."
        for each in rows if each.fallen
    ]  # fmt: skip


def monitor_table(rows: Sequence[Monitored]) -> Table:
    """Markdown, a row a place."""
    cells = (
        [each.place, f"{each.accuracy:.3f}", f"{each.pairs:,}",
         *([f"{each.change:+.3f}", p_value(each.change.p)] if each.change else ["", ""])] for each in rows
    )  # fmt: skip
    return table(["translations of", "within-source accuracy", "pairs", "change", "p"], cells)


def monitor_parts(*kinds: Sequence[Monitored]) -> list[str]:
    """Section of a report; nothing where nothing is known."""
    rows = [row for kind in kinds for row in kind]
    if not rows:
        return []
    return [
        "## Scorer on what the policy writes",
        "Share of pairs of translations of one source, different in true quality, that the reward puts in the right "
        "order: among the samples of each Grow step, and between the sample and the greedy translation of each test "
        "source; or, by people's ratings, between the test translations of two steps. Changes are since the first of a "
        "kind, p corrected by Holm.",
        monitor_table(rows),
    ]


def _grown_accuracy(data: Slice, task: Task) -> RankAccuracy | None:
    oracle, samples = task.oracle, data.where(~data.is_reference)
    if oracle is None or not len(samples):
        return None
    rows = np.unique(samples.source_index)
    count = max(1, min(len(rows), SAMPLES * len(rows) // len(samples)))
    chosen = samples.where(np.isin(samples.source_index, rows[np.linspace(0, len(rows) - 1, count).astype(int)]))
    stored = chosen.read()
    texts = task.tokenizer.decode(stored.tokens[low:high].tolist() for low, high in pairwise(stored.offsets))
    sources = source_texts(task, chosen.source_index)
    return rank_accuracy(sources, oracle(sources, texts), chosen.rewards)


def _kept_accuracy(lines: Sequence[Mapping[str, Any]]) -> RankAccuracy | None:
    qualities, rewards = (
        np.array([line[f"{decode}_{name}"] for decode in ("sample", "greedy") for line in lines], dtype=np.float32)
        for name in ("oracle", "reward")
    )
    return rank_accuracy([line["source"] for line in lines] * 2, qualities, rewards)


def _interval(value: float, error: float, null: float) -> Interval:
    """By the normal distribution; the p-value is that of ``null``."""
    far = abs(value - null)
    p = math.erfc(far / error / math.sqrt(2)) if error else float(far == 0)
    return Interval(value, value - _NORMAL * error, value + _NORMAL * error, p)
