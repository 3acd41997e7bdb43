"""Examples of a report: test sentences before and after, first where they argue against the reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports.tables import table, text_cell

NUM_EXAMPLES = 20

NUM_PARTED = 5
"""Of them, those that argue most against the reward."""

Row = Mapping[str, Any]


def examples(before: Sequence[Row], after: Sequence[Row], names: tuple[str, str]) -> str:
    """Greedy translations of two steps, by their names: first where they argue against the reward.

    Then evenly spread over the test sentences that changed, and others only where these are too few.
    """
    quality = next((f"greedy_{name}" for name in ("oracle", "judge") if f"greedy_{name}" in before[0]), None)
    rows = range(len(before))
    parted = {row: _parted(before[row], after[row], quality) for row in rows}
    first = sorted((row for row in rows if parted[row]), key=lambda row: -parted[row])[:NUM_PARTED]
    changed = [row for row in rows if before[row]["greedy"] != after[row]["greedy"]]
    same = sorted(set(rows) - set(changed))
    chosen = first + spread([row for row in changed if row not in first], NUM_EXAMPLES - len(first))
    chosen += spread(same, NUM_EXAMPLES - len(chosen))
    cells = []
    for row in chosen:
        cells.append([text_cell(before[row]["source"]), text_cell(before[row]["reference"])])
        for each in (before[row], after[row]):
            known = "-" if quality is None else f"{each[quality]:.2f}"
            cells[-1] += [text_cell(each["greedy"]), f"{each['greedy_reward']:.2f}, {known}"]
    what = {None: "quality", "greedy_oracle": "true quality", "greedy_judge": "judge"}[quality]
    scores = f"reward, {what}"
    head = ("source", "reference", names[0], scores, names[1], scores)
    counted = f"{len(changed)} of {len(before)} translations changed."
    if first and quality is not None:
        one, other = (f"{each[first[0]]['greedy_reward']:.2f}" for each in (before, after))
        high, low = (f"{each[first[0]][quality]:.2f}" for each in (before, after))
        counted += f" The first row has the reward rise ({one} to {other}) where {what} fell most ({high} to {low})."
    return f"{counted}\n\n{table(head, cells)}"


def _parted(before: Row, after: Row, quality: str | None) -> float:
    """How far the reward rose and the quality fell, together; 0 where they did not."""
    if quality is None:
        return 0.0
    risen, fallen = after["greedy_reward"] - before["greedy_reward"], before[quality] - after[quality]
    return float(risen + fallen) if risen > 0 < fallen else 0.0


def spread(rows: list[int], count: int) -> list[int]:
    """``count`` of the rows, evenly spread; all where there are not more."""
    return rows if len(rows) <= count else [rows[len(rows) * place // count] for place in range(count)]
