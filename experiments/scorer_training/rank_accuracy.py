"""Rank accuracy of a scorer: how often it puts two hypotheses of one source into the right order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RankAccuracy:
    """Within-source accuracy over hypotheses that differ in quality.

    Attributes:
        value: Share of pairs of hypotheses of one source with different quality that the score puts in the right
            order; a tie counts half.
        pairs: Pairs compared.
        influence: What each source adds to the error of ``value``, by source: its right pairs less those expected,
            over all pairs. Their squares sum to the variance, as survey statistics linearise a ratio of sums.
    """

    value: float
    pairs: int
    influence: dict[str, float] = field(repr=False)

    @property
    def error(self) -> float:
        """Standard error over sources."""
        return float(np.sqrt(sum(each**2 for each in self.influence.values())))

    def difference_error(self, other: RankAccuracy) -> float:
        """Standard error of the difference of two accuracies, paired where they have sources in common."""
        sources = self.influence.keys() | other.influence.keys()
        each = (self.influence.get(source, 0.0) - other.influence.get(source, 0.0) for source in sources)
        return float(np.sqrt(sum(one**2 for one in each)))


def rank_accuracy(
    sources: Sequence[str], qualities: NDArray[np.float32], scores: NDArray[np.float32]
) -> RankAccuracy | None:
    """Accuracy over ``[N]`` hypotheses, of which those of one source are compared; None where no two differ."""
    rows: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        rows.setdefault(source, []).append(row)
    counts = []
    for group in rows.values():
        quality, score = qualities[group], scores[group]
        better = quality[:, None] > quality[None, :]
        order = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
        counts.append((order[better].sum(), better.sum()))
    right, compared = np.array(counts, dtype=np.float64).reshape(-1, 2).T
    total = compared.sum()
    if not total:
        return None
    value = float(right.sum() / total)
    influence = (right - value * compared) / total
    return RankAccuracy(value, int(total), dict(zip(rows, influence.tolist(), strict=True)))
