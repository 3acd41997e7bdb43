"""What is seen of reward hacking in a run whose scorer may have a hole, and what a gate would have made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.reports.gate import look
from experiments.reports.interference import Values, change_between, interference
from experiments.reports.statistics import Interval
from experiments.reports.tables import Table, table

MEASURES = ("chrf", "oracle")
"""That gates go by."""


@dataclass(frozen=True)
class Seen:
    """One run.

    Attributes:
        arm: What its scorer was wrapped in.
        hole: Of its scorer; None for an honest one.
        seed: Of policy and run.
        reward: Mean of greedy test translations, by stage.
        oracle: Likewise, true quality.
        fell: First stage whose true quality is shown to be below the best one's before it; None where none is.
        reported: Stage at which the report on the finished run would say "hacked"; None where it would not.
        closed: Stage at which a gate closes, by its measure; None where it stays open.
        change: True quality of the last policy less the supervised policy's, test sources: of the run as it is under
            "none", and with a gate that falls back by the gate's measure.
    """

    arm: str
    hole: str | None
    seed: int
    reward: dict[str, float]
    oracle: dict[str, float]
    fell: str | None
    reported: str | None
    closed: dict[str, str | None]
    change: dict[str, Interval]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"change": {name: each._asdict() for name, each in self.change.items()}}


def seen(arm: str, hole: str | None, seed: int, validation: Mapping[str, Values], test: Mapping[str, Values]) -> Seen:
    """Judge a finished run, that no gate ended.

    A gate that closes at a step makes a run end there, and changes nothing before: what it would have done is read off.

    Args:
        arm: What the scorer was wrapped in.
        hole: Of the scorer.
        seed: Of policy and run.
        validation: Values of greedy translations by stage, the supervised policy's first; gates see them.
        test: Likewise; all else is judged by them.
    """
    stages = list(test)
    closed: dict[str, str | None] = {}
    change = {"none": change_between(test, stages[-1], stages[0]).differences["oracle"]}
    for measure in MEASURES:
        closed[measure], final = gated(validation, measure)
        change[measure] = change_between(test, final, stages[0]).differences["oracle"]
    verdict = interference(test)
    means = {
        name: {stage: float(values[name].mean()) for stage, values in test.items()} for name in ("reward", "oracle")
    }
    return Seen(
        arm,
        hole,
        seed,
        means["reward"],
        means["oracle"],
        first_fall(test),
        verdict.at.step if verdict.at else None,
        closed,
        change,
    )


def first_fall(stages: Mapping[str, Values]) -> str | None:
    """The first stage whose true quality is below that of the best stage before it, by its 95 % interval."""
    names = list(stages)
    for place, name in enumerate(names[1:], start=1):
        best = max(names[:place], key=lambda stage: float(stages[stage]["oracle"].mean()))
        if change_between(stages, name, best).differences["oracle"].high < 0:
            return name
    return None


def gated(stages: Mapping[str, Values], measure: str) -> tuple[str | None, str]:
    """The stage at which a gate closes, or None, and the stage whose policy is the run's then."""
    names = list(stages)
    for end in range(2, len(names) + 1):
        each = look({name: stages[name] for name in names[:end]}, measure, len(names) - 1)
        if each.closes:
            return each.step, each.best
    return None, names[-1]


def verdict_table(runs: Sequence[Seen]) -> Table:
    """Markdown, a row for each arm and hole, and one for each arm with holes."""
    head = [
        "scorer", "hole", "runs", "reward", "true quality", "quality falls", "seen at that step: gate by chrF",
        "gate by true quality", "report", "not below the supervised policy: ungated", "gate by chrF",
        "gate by true quality",
    ]  # fmt: skip
    groups: dict[tuple[str, str], list[Seen]] = {}
    for run in runs:
        groups.setdefault((run.arm, run.hole or "none"), []).append(run)
        if run.hole is not None:
            groups.setdefault((run.arm, "all"), []).append(run)
    order = sorted(
        groups, key=lambda key: (list(dict.fromkeys(arm for arm, _ in groups)).index(key[0]), key[1] == "all")
    )
    return table(head, ([*key, *_cells(groups[key])] for key in order))


def _cells(runs: Sequence[Seen]) -> list[str]:
    fallen = [run for run in runs if run.fell is not None]
    at: list[Callable[[Seen], str | None]] = [
        lambda run: run.closed["chrf"], lambda run: run.closed["oracle"], lambda run: run.reported,
    ]  # fmt: skip
    return [
        f"{len(runs)}",
        *(_from_to([getattr(run, name) for run in runs]) for name in ("reward", "oracle")),
        f"{len(fallen)}",
        *(f"{sum(place(run) == run.fell for run in fallen)} of {len(fallen)}" for place in at),
        *(f"{sum(not_lower(run, by) for run in runs)} of {len(runs)}" for by in ("none", *MEASURES)),
    ]


def _from_to(stages: Sequence[Mapping[str, float]]) -> str:
    """Means over runs of the first and of the last stage."""
    ends = zip(*((next(iter(each.values())), [*each.values()][-1]) for each in stages), strict=True)
    return " to ".join(f"{sum(each) / len(each):.3f}" for each in ends)


def not_lower(run: Seen, by: str) -> bool:
    """Whether the final true quality is at least the supervised policy's."""
    return run.change[by].mean >= 0


def false_alarms(runs: Sequence[Seen]) -> dict[str, int]:
    """Runs with an alarm at a step before or without a fall of true quality, by who raised it."""
    raised: dict[str, Callable[[Seen], str | None]] = {
        "gate by chrF": lambda run: run.closed["chrf"],
        "gate by true quality": lambda run: run.closed["oracle"],
        "report": lambda run: run.reported,
    }
    return {name: sum(_is_false(place(run), run) for run in runs) for name, place in raised.items()}


def _is_false(alarm: str | None, run: Seen) -> bool:
    stages = list(run.oracle)
    return alarm is not None and (run.fell is None or stages.index(alarm) < stages.index(run.fell))
