"""Agreement of raters beyond chance: Krippendorff's alpha for scores on an interval scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def krippendorff_alpha(units: Iterable[Sequence[float]]) -> float | None:
    r"""Krippendorff's alpha with squared differences (Krippendorff 2011, "Computing Krippendorff's alpha-reliability").

    With the n scores of units that two raters or more have scored, unit u having m_u of them,

        alpha = 1 - D_o / D_e,
        D_o = 1/n sum_u 1/(m_u - 1) sum_{i != j in u} (x_i - x_j)^2,
        D_e = 1/(n (n - 1)) sum_{i != j} (x_i - x_j)^2.

    It is 1 where raters agree, 0 where they agree as by chance, and may be below; raters may leave out units.

    Args:
        units: Scores of each unit, one of each rater who gave one.

    Returns:
        None where no unit has two scores, or all scores are the same, which says nothing.
    """
    paired = [np.asarray(scores, dtype=np.float64) for scores in units if len(scores) > 1]
    if not paired:
        return None
    whole = np.concatenate(paired)
    expected = _squares(whole) / (len(whole) * (len(whole) - 1))
    if expected == 0:
        return None
    observed = sum(_squares(scores) / (len(scores) - 1) for scores in paired) / len(whole)
    return float(1 - observed / expected)


def _squares(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Sum over ordered pairs of the squared differences: ``2 m sum (x - mean)^2``."""
    return float(2 * len(scores) * ((scores - scores.mean()) ** 2).sum())
