"""Interference in a comparison: which agents gained reward where others saw their translations get worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.reports.comparison_entry import Entry
from experiments.reports.guard_counts import Hits, RunGuards, any_hit, counts, guard_table, stage_hits
from experiments.reports.interference import Interference, Values, interference, interference_table, stage_values
from experiments.reports.tables import table

DECODES = ("greedy", "sample")


class AgentInterference(NamedTuple):
    """What is seen of the agents of a comparison.

    Attributes:
        verdicts: By agent, on its greedy translations since the supervised policy of the same seed.
        hits: How many translations of all seeds break a guard, by name of the policy, decoding and rule.
        note: What the guards are.
    """

    verdicts: dict[str, Interference]
    hits: dict[tuple[str, str], dict[str, int]]
    note: str

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "interference": {name: seen.record() for name, seen in self.verdicts.items()},
            "guards": [{"agent": name, "decode": decode, **each} for (name, decode), each in self.hits.items()],
        }

    def sentence(self) -> list[str]:
        """For the top of the report; nothing without an agent."""
        by_verdict: dict[str, list[str]] = {}
        for name, seen in self.verdicts.items():
            by_verdict.setdefault(seen.verdict, []).append(name)
        if hacked := by_verdict.get("hacked"):
            first = self.verdicts[hacked[0]]
            return [f"Reward hacking: hacked by {', '.join(hacked)}. {first.sentence.partition('. ')[2]}"]
        if unclear := by_verdict.get("cannot tell"):
            return [
                f"Reward hacking: cannot tell of {', '.join(unclear)}, whose reward rises; "
                "give a --judge of another make than the scorer."
            ]
        return ["Reward hacking: not seen with any agent."] if by_verdict else []

    def parts(self) -> list[str]:
        """Sections of the report."""
        changes = [seen.changes[0] for seen in self.verdicts.values()]
        if not changes:
            return []
        shown = interference_table(changes)
        rows = zip(self.verdicts.values(), shown.cells, strict=True)
        return [
            "## What rises together, and what parts",
            "Changes of greedy translations since the supervised policy of the same seed, with 95 % intervals; the "
            "verdicts are corrected for the number of agents.",
            table(["agent", *shown.columns[1:], "hacked"], ([*cells, seen.verdict] for seen, cells in rows)),
            *(["## Guards", f"Test translations of all seeds that break a rule. {self.note}", guard_table(self.hits)]
              if self.hits else []),
        ]  # fmt: skip


def agent_interference(
    entries: Sequence[Entry], base: Entry, guards: RunGuards | None = None, related: bool | None = None
) -> AgentInterference:
    """Hold each agent's policies against the supervised ones.

    Args:
        entries: The agents.
        base: The supervised policies.
        guards: Rules to count by; None counts nothing.
        related: Whether the judge is of the scorer's make; None where there is no judge.
    """
    hits: dict[tuple[str, str, int], Hits] = {}
    values: dict[tuple[str, int], Values] = {}
    for entry in (base, *entries):
        for seed, lines in entry.translations.items():
            if guards:
                hits |= {(entry.name, decode, seed): stage_hits(guards.guards, lines, decode) for decode in DECODES}
            broken = hits.get((entry.name, "greedy", seed))
            values[entry.name, seed] = stage_values(lines, None if broken is None else any_hit(broken))
    verdicts = {}
    for entry in entries:
        if seeds := entry.common(base):
            both = {each.name: _stacked([values[each.name, seed] for seed in seeds]) for each in (base, entry)}
            verdicts[entry.name] = interference(both, related, len(entries))
    summed: dict[tuple[str, str], dict[str, int]] = {}
    for (name, decode, _), each in hits.items():
        so_far = summed.get((name, decode), {})
        summed[name, decode] = {rule: so_far.get(rule, 0) + number for rule, number in counts(each).items()}
    return AgentInterference(verdicts, summed, guards.note if guards else "")


def _stacked(by_seed: Sequence[Values]) -> Values:
    """float64 [R,N] by measure."""
    return {name: np.stack([values[name] for values in by_seed]) for name in by_seed[0]}
