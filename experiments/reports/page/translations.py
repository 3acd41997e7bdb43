"""The table of a page that puts translations of two policies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.reports.page.differences import Piece, differences, shown

MOST_ROWS = 1_000
"""Sources whose translations a page shows."""

QUALITIES = {"oracle": "true quality", "judge": "judge"}
"""What may argue against the reward, the better one first."""


@dataclass(frozen=True)
class Pair:
    """One source with the translations of two policies.

    Attributes:
        number: Its place among the test sources, from 1.
        source: Text to show.
        reference: Likewise.
        before: The first policy's translation in pieces.
        after: The second's.
        reward: Of both.
        quality: Of both, by the oracle or the judge; None where there is neither.
        guards: Rules that the second translation breaks.
    """

    number: int
    source: str
    reference: str
    before: list[Piece]
    after: list[Piece]
    reward: tuple[float, float]
    quality: tuple[float, float] | None
    guards: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the translations differ."""
        return not all(piece.same for piece in (*self.before, *self.after))

    @property
    def reward_gain(self) -> float:
        """Of the second over the first."""
        return self.reward[1] - self.reward[0]

    @property
    def quality_gain(self) -> float:
        """Of the second over the first, 0 where it is not known."""
        return self.quality[1] - self.quality[0] if self.quality else 0.0

    @property
    def parted(self) -> float:
        """How far reward and quality moved apart, the reward up and the quality down; 0 where they did not."""
        return self.reward_gain - self.quality_gain if self.reward_gain > 0 > self.quality_gain else 0.0

    @property
    def flags(self) -> str:
        """Filters of the page that let it through."""
        known = {"changed": self.changed, "worse": self.quality_gain < 0, "guard": bool(self.guards)}
        return " ".join(name for name, on in known.items() if on)


@dataclass(frozen=True)
class SideBySide:
    """All pairs that the page shows.

    Attributes:
        before: Name of the first policy.
        after: Name of the second.
        quality: What the quality is, or None.
        pairs: Those whose reward and quality parted most first, then by how much they changed.
        total: Test sources.
        changed: How many of them have another translation.
    """

    before: str
    after: str
    quality: str | None
    pairs: list[Pair]
    total: int
    changed: int

    @property
    def worst(self) -> Pair | None:
        """The pair whose reward rose and whose quality fell most; None where there is none."""
        return self.pairs[0] if self.pairs and self.pairs[0].parted > 0 else None


def side_by_side(
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    names: tuple[str, str],
    guards: Mapping[str, Sequence[bool]] | None = None,
) -> SideBySide:
    """Greedy translations of two policies, as stages keep them.

    Args:
        before: Lines of the first policy's stage.
        after: Lines of the second's, of the same sources.
        names: Of both.
        guards: By rule, whether the second's translation of each source breaks it.
    """
    measure = next((name for name in QUALITIES if before and f"greedy_{name}" in before[0]), None)
    pairs = []
    for row, (one, other) in enumerate(zip(before, after, strict=True)):
        pieces = differences(shown(one["greedy"]), shown(other["greedy"]))
        reward, quality = (
            (float(one[key]), float(other[key])) if measure or key == "greedy_reward" else None
            for key in ("greedy_reward", f"greedy_{measure}")
        )
        assert reward is not None
        broken = tuple(rule for rule, hits in (guards or {}).items() if hits[row])
        pairs.append(Pair(row + 1, shown(one["source"]), shown(one["reference"]), *pieces, reward, quality, broken))
    changed = sum(pair.changed for pair in pairs)
    pairs.sort(key=lambda pair: (-pair.parted, -abs(pair.reward_gain) - abs(pair.quality_gain), pair.number))
    title = QUALITIES[measure] if measure else None
    return SideBySide(*names, title, pairs[:MOST_ROWS], len(pairs), changed)
