"""Which agent wins the benchmark: differences within each seed, whose policies start alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from experiments.names import ROWS
from experiments.reports.benchmark_cells import Cell, Run
from experiments.reports.seed_means import SeedMean, corrected, number_of_tests, seed_mean, smallest_shown
from experiments.reports.tables import p_value

REFERENCE = "filtered-bc"
"""The control: behaviour cloning of what the filter keeps, without which no objective has shown anything."""

LEVEL = 0.05


class Gains(NamedTuple):
    """What one agent came to: means over seeds, each seed's the mean of its data sets.

    Attributes:
        score: Greedy scores, which are above the supervised policy's own, 0; its p-value is corrected.
        last: The same of the last weights.
        reference: Greedy scores, less those of :data:`REFERENCE` on the same data sets; its p-value is corrected. None
            of the reference itself, and where the two have no run in common.
        entropy: Scores of samples, less those of the supervised policy's samples at the temperature of equal entropy,
            of the runs that have one; None where none has.
        kept: Runs in which no look was better than the start.
        failed: Runs that count as the start, as their training failed.
        runs: Of all.
    """

    score: SeedMean
    last: SeedMean
    reference: SeedMean | None
    entropy: SeedMean | None
    kept: int
    failed: int
    runs: int

    @property
    def has_moved(self) -> bool:
        """Whether any run has other weights than its start."""
        return self.kept + self.failed < self.runs


def gains(by_agent: Mapping[str, Sequence[Cell]]) -> dict[str, Gains]:
    """Of each agent; p-values are corrected by Holm for the number of agents, those that kept their start left out.

    Args:
        by_agent: Agents that have the same data sets, as :func:`experiments.reports.benchmark_gaps.ranked` gives them.
    """
    found = {agent: _gains(cells) for agent, cells in by_agent.items()}
    against = {agent: known for agent, cells in by_agent.items() if agent != REFERENCE
               if (known := _less(cells, by_agent.get(REFERENCE, ()))) is not None}  # fmt: skip
    scores = corrected({agent: each.score for agent, each in found.items() if each.has_moved})
    against = corrected(against)
    return {
        agent: each._replace(score=scores.get(agent, each.score), reference=against.get(agent))
        for agent, each in found.items()
    }


def verdict(known: Mapping[str, Gains], order: Sequence[str]) -> list[str]:
    """Paragraphs on who wins.

    Args:
        known: By agent.
        order: Of the agents in the table.
    """
    against = {agent: each.reference for agent, each in known.items() if each.reference is not None}
    if not any(each.p is not None for each in against.values()):
        return [f"No agent is held against `{REFERENCE}`: it and another agent are needed, on two seeds or more."]
    moved = {agent: each for agent, each in against.items() if known[agent].has_moved}
    objectives = {agent: each for agent, each in moved.items() if agent not in ROWS}
    recipes = {agent: each for agent, each in moved.items() if agent in ROWS}
    worse = [agent for agent in order if agent in moved and _is_below(moved[agent])]
    above = [agent for agent in order if known[agent].has_moved and _is_above(known[agent].score)]
    below = [agent for agent in order if known[agent].has_moved and _is_below(known[agent].score)]
    kept = [agent for agent in order if not known[agent].has_moved]
    failed = [f"`{agent}` {each.failed} of {each.runs}" for agent in order if (each := known[agent]).failed]
    paragraphs = [
        _best(objectives, against, "objective", lambda found: f"**{found}**"),
        _best(recipes, against, "recipe, which is another choice of data and no objective of its own,", str),
        f"Worse than `{REFERENCE}`: {_listed(worse)}. Better than the supervised policy, of which all begin: "
        f"{_listed(above)}; worse than it: {_listed(below)}. All p-values here are corrected by Holm.",
        f"No look in any run {'that did not fail ' if any(known[agent].failed for agent in kept) else ''}was better "
        f"than the start, so that the score is the start's, 0: {_listed(kept)}."
        f"{_worse_by_staying(kept, against)}"
        if kept
        else "",
        f"Runs that failed, and count as the start, with score 0: {'; '.join(failed)}." if failed else "",
    ]
    return [paragraph for paragraph in paragraphs if paragraph]


def _worse_by_staying(kept: Sequence[str], against: Mapping[str, SeedMean]) -> str:
    """That the start is worse than the reference, which is one test of all that kept it."""
    known = [against[agent] for agent in kept if agent in against]
    if len(known) < len(kept) or not all(map(_is_below, known)):
        return ""
    least_sure = max(each.p for each in known if each.p is not None)
    return f" All of them are worse than `{REFERENCE}`, p {p_value(least_sure)}."


def _best(
    known: Mapping[str, SeedMean], against: Mapping[str, SeedMean], kind: str, shown: Callable[[str], str]
) -> str:
    """Which of one kind are better than the reference, and which is the best by its mean; nothing of nobody.

    Args:
        known: Of that kind.
        against: Of all that are tested together.
        kind: In the singular.
        shown: How the finding is written.
    """
    tested = {agent: each for agent, each in known.items() if each.p is not None}
    if not tested:
        return ""
    better = sorted((agent for agent, each in tested.items() if _is_above(each)), key=lambda agent: -known[agent].value)
    best = max(tested, key=lambda agent: tested[agent].value)
    found = tested[best]
    assert found.p is not None
    first = (
        f"{kind.partition(',')[0].capitalize()}s that are greedily better than `{REFERENCE}`: {_listed(better)}."
        if better
        else f"NOT SHOWN that any {kind} is greedily better than `{REFERENCE}`."
    )
    count = number_of_tests(against)
    tests = f"{count} test{'s' if count > 1 else ''}"
    sentence = f"{shown(first)} The best is `{best}`, {found:+.1f}, p {p_value(found.p)} corrected for {tests}"
    if best in better:
        return f"{sentence}."
    # Holm has a rejected test's successors share the level among fewer; this one may itself be rejected, as worse.
    rejected = {
        agent: each for agent, each in against.items()
        if each.p is not None and each.p < LEVEL and each.by_seed != found.by_seed
    }  # fmt: skip
    least = smallest_shown(found, count - number_of_tests(rejected), LEVEL)
    return f"{sentence}; with {len(found.by_seed)} seeds that spread so, less than {least:.1f} would not be shown."


def _gains(cells: Sequence[Cell]) -> Gains:
    runs = [run for cell in cells for run in cell.runs]
    score, last = (
        _mean(cells, lambda run: run.score("greedy")),
        _mean(cells, lambda run: run.score("greedy, last weights")),
    )
    assert score is not None
    assert last is not None
    entropy = _mean(
        cells,
        lambda run: run.score("samples") - run.score("supervised at its entropy") if run.entropy_matched else None,
    )
    kept, failed = sum(run.kept_start for run in runs), sum(run.failed for run in runs)
    return Gains(score, last, None, entropy, kept, failed, len(runs))


def _mean(cells: Sequence[Cell], number: Callable[[Run], float | None]) -> SeedMean | None:
    """Of the seeds that have a number on every data set; None is no number."""
    return seed_mean(
        [(run.seed, cell.dataset, value) for cell in cells for run in cell.runs if (value := number(run)) is not None],
        {cell.dataset for cell in cells},
    )


def _less(cells: Sequence[Cell], reference: Sequence[Cell]) -> SeedMean | None:
    """Differences of the runs that the reference has, too."""
    theirs = {(cell.dataset, run.seed): run.score("greedy") for cell in reference for run in cell.runs}
    differences = [
        (run.seed, cell.dataset, run.score("greedy") - theirs[cell.dataset, run.seed])
        for cell in cells for run in cell.runs if (cell.dataset, run.seed) in theirs
    ]  # fmt: skip
    return seed_mean(differences, {cell.dataset for cell in cells})


def _is_above(mean: SeedMean) -> bool:
    return mean.p is not None and mean.p < LEVEL and mean.value > 0


def _is_below(mean: SeedMean) -> bool:
    return mean.p is not None and mean.p < LEVEL and mean.value < 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
