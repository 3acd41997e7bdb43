"""Filtered behaviour cloning: ReST with the paper's best loss."""

from __future__ import annotations

from typing import ClassVar

from agents.bc import BC


class FilteredBC(BC):
    """Behaviour cloning on what the filter lets through.

    ``L(theta) = -1/M sum_(x,y) F(x, y; tau) sum_t log pi_theta(y_t | x, y_<t)``, ``F(x, y; tau) = 1[R(x, y) > tau]``

    with ``M`` the target tokens that pass. ``F`` is 0 or 1, so it is the view ``D_g.select(filter)`` and not a
    weight: no step is spent on sequences that count nothing. Samples and original references pass the same filter.
    Gulcehre et al. 2023, arXiv 2308.08998, section 3 and appendix A.7 (percentile and interpolation filters).
    """

    name: ClassVar[str] = "filtered-bc"
    filters: ClassVar[bool] = True
